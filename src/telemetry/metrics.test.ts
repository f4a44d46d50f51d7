import { expect, test } from 'vitest'
import { createMetrics } from './metrics.ts'
import { httpObserver } from './http-observer.ts'
import { handoverRefusal, HANDOVER_REFUSALS, METRICS } from './metrics-table.ts'
import { REFUSALS } from '#kernel/index.ts'

const seriesOf = (text: string, name: string): readonly string[] =>
  text
    .split('\n')
    .filter((line) => line === name || line.startsWith(`${name} `) || line.startsWith(`${name}{`))

test('every counter is there from the start with every bounded label value', async () => {
  const text = await createMetrics().expose()
  expect(seriesOf(text, 'webhook_duplicate_dispatches_total')).toEqual([
    'webhook_duplicate_dispatches_total 0',
  ])
  expect(seriesOf(text, 'holdfast_handover_refused_total')).toHaveLength(HANDOVER_REFUSALS.length)
})

test('a gauge that nobody measured is absent, not zero', async () => {
  const metrics = createMetrics()
  metrics.registerCollector('order_hold_for_review_rate', () => Promise.resolve(undefined))
  const text = await metrics.expose()
  const gauges = Object.entries(METRICS).filter(([, row]) => row.type === 'gauge')
  expect(gauges.length).toBeGreaterThan(5)
  expect(gauges.flatMap(([name]) => seriesOf(text, name))).toEqual([])
})

test('a collector is read at the scrape, and what it no longer tells is gone', async () => {
  let nowMs = 0
  const metrics = createMetrics({ nowMs: () => nowMs, monotonicMs: () => nowMs })
  let isEmpty = false
  metrics.registerCollector('holdfast_oldest_item_age_seconds', async () =>
    isEmpty ? [] : [{ labels: { stage: 'held' } as const, value: 12 }],
  )
  metrics.registerCollector('order_hold_for_review_rate', async () => (isEmpty ? undefined : 0.25))
  metrics.registerCollector('holdfast_transaction_retries_total', async () => 7)
  const first = await metrics.expose()
  expect(seriesOf(first, 'holdfast_oldest_item_age_seconds')).toEqual([
    'holdfast_oldest_item_age_seconds{stage="held"} 12',
  ])
  expect(seriesOf(first, 'order_hold_for_review_rate')).toEqual(['order_hold_for_review_rate 0.25'])
  expect(seriesOf(first, 'holdfast_transaction_retries_total')).toEqual([
    'holdfast_transaction_retries_total 7',
  ])
  isEmpty = true
  nowMs += 1_000
  expect(seriesOf(await metrics.expose(), 'order_hold_for_review_rate')).toEqual([])
  expect(seriesOf(await metrics.expose(), 'holdfast_oldest_item_age_seconds')).toEqual([])
})

test('a collector that fails takes only its own metric away, and is counted', async () => {
  const metrics = createMetrics()
  metrics.registerCollector('holdfast_inbox_depth', () => Promise.reject(new Error('down')))
  metrics.registerCollector('inventory_negative_stock_skus', async () => 3)
  const text = await metrics.expose()
  expect(seriesOf(text, 'holdfast_inbox_depth')).toEqual([])
  expect(seriesOf(text, 'inventory_negative_stock_skus')).toEqual([
    'inventory_negative_stock_skus 3',
  ])
  expect(seriesOf(text, 'holdfast_collector_failures_total')).toEqual([
    'holdfast_collector_failures_total 1',
  ])
})

test('many scrapes at once collect once', async () => {
  const metrics = createMetrics()
  let reads = 0
  metrics.registerCollector('holdfast_inbox_depth', async () => (reads += 1))
  await Promise.all(Array.from({ length: 20 }, () => metrics.expose()))
  expect(reads).toBe(1)
})

test('counters count, by label', async () => {
  const metrics = createMetrics()
  metrics.count('order_auto_approved_total')
  metrics.count('order_auto_approved_total', {}, 4)
  metrics.count('holdfast_handover_refused_total', { code: 'envelope_digest' })
  const text = await metrics.expose()
  expect(seriesOf(text, 'order_auto_approved_total')).toEqual(['order_auto_approved_total 5'])
  expect(text).toContain('holdfast_handover_refused_total{code="envelope_digest"} 1')
})

test('what a caller types never becomes a label', async () => {
  const metrics = createMetrics()
  const observe = httpObserver(metrics, [])
  for (const route of ['/made/up', '/made/up/2', 'unknown']) {
    observe({ method: 'GET', route, status: 404, durationMs: 1 })
  }
  const text = await metrics.expose()
  expect(text).toContain('holdfast_http_requests_total{route="unknown",status="4xx"} 3')
  expect(text).not.toContain('/made/up')
  expect(text).toContain('holdfast_http_request_duration_seconds_count 3')
})

test('the hand-over refusals are codes of the catalogue', () => {
  expect(HANDOVER_REFUSALS.filter((code) => !(code in REFUSALS))).toEqual(['other'])
  expect(handoverRefusal('end_mismatch')).toBe('end_mismatch')
  expect(handoverRefusal('made_up')).toBe('other')
})

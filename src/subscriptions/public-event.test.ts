import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { FeedEvent } from '#platform/index.ts'
import { EVENT_NAMES, EVENT_TYPES } from './event-catalog.ts'
import { eventRows, webhookDocuments } from './event-documents.ts'
import { kindsOf, tell, WHOLE } from './public-event.ts'

const ALL = new Set(EVENT_NAMES)
const KINDS = kindsOf(ALL)
const row = (kind: string, data: Record<string, unknown>, subjectId = 'thing_1'): FeedEvent => ({
  id: 'evt_1',
  position: { xact: '7', id: 'evt_1' },
  subjectId,
  kind,
  data,
  at: new Date('2026-11-23T10:00:00Z'),
})

test('every public event is told by some kind of the log', () => {
  for (const name of EVENT_NAMES)
    expect([name, kindsOf(new Set([name])).length > 0]).toEqual([name, true])
  expect(KINDS.length).toBeGreaterThan(20)
})

test('whatever stands in the log, what is told fits its schema and never throws', () => {
  const field = fc.constantFrom(
    'order_id',
    'verdict',
    'reasons',
    'code',
    'lines',
    'sku',
    'skus',
    'orders',
    'reference',
    'partner_id',
    'units_released',
    'shipment_id',
    'carrier',
    'reason',
    'kind',
    'about',
    'on_hand',
    'decision_id',
  )
  const value = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom('hold', 'clear', 'x'.repeat(300), -1, 1.5),
    fc.array(fc.string(), { maxLength: 50 }),
  )
  fc.assert(
    fc.property(
      fc.constantFrom(...KINDS),
      fc.dictionary(field, value),
      fc.string({ minLength: 1, maxLength: 300 }),
      (kind, data, subject) => {
        for (const { part, event } of tell(row(kind, data, subject), ALL)) {
          EVENT_TYPES[event.type].data.parse(event.data)
          expect(part).toBeLessThan(WHOLE)
          expect(event.id).toMatch(/^evt_1(_\d)?$/)
        }
      },
    ),
    { numRuns: 500 },
  )
})

test('the rules decide with the order: that is told as a hold or a clear, under an id of its own', () => {
  const held = tell(row('order.placed', { verdict: 'hold', reasons: ['value'], lines: 2 }), ALL)
  expect(held.map(({ event }) => [event.id, event.type, event.data])).toEqual([
    ['evt_1', 'order.placed', { order_id: 'thing_1', reference: null, lines: 2 }],
    [
      'evt_1_1',
      'order.held',
      { order_id: 'thing_1', reasons: ['value'], decided_by: 'rules', decision_id: null },
    ],
  ])
  const cleared = tell(row('order.placed', { verdict: 'clear' }), new Set(['order.cleared']))
  expect(cleared).toMatchObject([{ part: 2, event: { id: 'evt_1_2', type: 'order.cleared' } }])
})

test('what a person wrote stays inside', () => {
  const words = 'Ada Lovelace moved to 12 High Street'
  const told = KINDS.flatMap((kind) =>
    tell(
      row(kind, {
        reason: words,
        note: words,
        actor: 'person:ada',
        ship_to: { name: 'Ada' },
        code: words,
        kind: words,
        reasons: [words, 'operator'],
        verdict: 'hold',
        event_type: words,
      }),
      ALL,
    ),
  )
  expect(told.length).toBeGreaterThan(20)
  expect(JSON.stringify(told)).not.toMatch(/Ada|ada|High Street/)
})

test('a kind that is not public stays inside', () => {
  expect(tell(row('handover.received', { orders: 1 }), ALL)).toEqual([])
  expect(tell(row('constructor', {}), ALL)).toEqual([])
})

test('the OpenAPI webhooks and the reference have every event', () => {
  expect(Object.keys(webhookDocuments())).toEqual(EVENT_NAMES)
  expect(eventRows().map(([name]) => name)).toEqual(EVENT_NAMES.map((name) => `\`${name}\``))
  expect(webhookDocuments()['order.held']).toMatchObject({
    post: {
      requestBody: {
        content: {
          'application/json': {
            schema: { properties: { type: { const: 'order.held' }, data: { type: 'object' } } },
          },
        },
      },
    },
  })
})

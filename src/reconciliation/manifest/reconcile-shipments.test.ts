import { createServer } from 'node:http'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { invariant, orThrow } from '#kernel/index.ts'
import { findCase, listCases, resolveCase } from '#cases/index.ts'
import { findPartner, resumePartner } from '#partners/index.ts'
import type { Log } from '#platform/index.ts'
import { openWarehouse, record } from '../../fulfillment/warehouse.fixture.ts'
import type { Warehouse } from '../../fulfillment/warehouse.fixture.ts'
import { reconcileShipments } from './reconcile-shipments.ts'
import { listRuns } from './run-queries.ts'
import { reconcileDue, startReconciliation } from './run-schedule.ts'

let warehouse: Warehouse
let front: Awaited<ReturnType<typeof partnerFront>>
const pages: string[] = []
const keep = (_: object, message: string): void => void pages.push(message)
const log: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: keep }
beforeEach(async () => {
  pages.length = 0
  warehouse = await openWarehouse({ log })
  front = await partnerFront(warehouse.url)
  await warehouse.asOwner(`update partners.partner set url = '${front.url}'`)
})
afterEach(async () => {
  await front.close()
  await warehouse.stop()
})

/** The partner behind a door of its own: what it shows of its manifest can be cut, as a restore would. */
async function partnerFront(target: string) {
  const shown = { upto: Number.POSITIVE_INFINITY, extra: [] as object[] }
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(Buffer.from(chunk))
      const headers = Object.entries(request.headers).flatMap(([name, value]) =>
        typeof value === 'string' && name !== 'host' && name !== 'connection'
          ? [[name, value]]
          : [],
      )
      const isRead = request.method === 'GET'
      const answer = await fetch(`${target}${request.url}`, {
        method: request.method ?? 'GET',
        headers: Object.fromEntries(headers),
        ...(isRead ? {} : { body: Buffer.concat(chunks) }),
      })
      const text = await answer.text()
      const isManifest = answer.ok && isRead && request.url?.includes('after_sequence') === true
      response.writeHead(answer.status).end(isManifest ? cut(text, shown) : text)
    })()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  invariant(address !== null && typeof address === 'object', 'the front listens')
  return {
    shown,
    url: `http://127.0.0.1:${address.port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function cut(text: string, shown: { upto: number; extra: object[] }): string {
  const page: { dispatches: { sequence: number }[] } = JSON.parse(text)
  const kept = page.dispatches.filter((one) => one.sequence <= shown.upto)
  return JSON.stringify({ ...page, dispatches: [...kept, ...shown.extra] })
}

const compare = async (cause: 'person' | 'quarter_hour' = 'person') =>
  orThrow(await reconcileShipments(warehouse.deps, { partner: 'shipco', cause, actor: 'cli:ada' }))
const openCasesNow = () =>
  listCases(warehouse.context.database, 'main', { state: 'open', limit: 100 })

/** Hands orders over one after the other, each in a dispatch of its own, until all have shipped. */
async function ship(...orders: readonly string[]): Promise<void> {
  const worker = await warehouse.startWorker()
  for (const order of orders) {
    await warehouse.handOver(record(order))
    await vi.waitFor(
      async () => {
        const text = `select state from fulfillment.fulfillment_order where order_id = '${order}'`
        expect(await warehouse.query(text)).toEqual([{ state: 'shipped' }])
      },
      { timeout: 20_000 },
    )
  }
  await worker.stop()
}

test('books that agree are green, and only the last agreed dispatch is read again', async () => {
  await ship('o1', 'o2', 'o3')
  expect(await compare()).toMatchObject({ result: 'green', ours: 3, theirs: 3, matched: 3 })
  expect(await compare('quarter_hour')).toMatchObject({ result: 'green', ours: 1, matched: 1 })
  expect(await listRuns(warehouse.context.database, 'main', { limit: 10 })).toMatchObject([
    { cause: 'quarter_hour', actor: 'cli:ada', result: 'green', after_sequence: 2 },
    { cause: 'person', result: 'green', after_sequence: 0 },
  ])
  expect(await openCasesNow()).toEqual([])
})

test('a dispatch in their books alone is one case, closed when the books agree again', async () => {
  await ship('o1')
  const entry = {
    key: `hfd1-${'a'.repeat(32)}`,
    state: 'accepted',
    content_sha256: '0'.repeat(64),
    batch: 'btc_x',
    revision: 1,
    sequence: 9,
    accepted_at: '2026-11-23T10:00:00Z',
  }
  front.shown.extra.push(entry)
  expect(await compare()).toMatchObject({ result: 'red', counts: { phantom: 1, lost: 0 } })
  expect(await compare()).toMatchObject({ result: 'red' })
  const [open, ...more] = await openCasesNow()
  expect(open).toMatchObject({ kind: 'discrepancy', subject_id: `phantom:${entry.key}` })
  expect(more).toEqual([])
  // Nothing of ours was touched.
  expect(await warehouse.query('select count(*)::int as n from fulfillment.dispatch')).toEqual([
    { n: 1 },
  ])
  await warehouse.asOwner('update reconciliation.partner_state set high_sequence = 1')
  front.shown.extra.length = 0
  expect(await compare()).toMatchObject({ result: 'green' })
  expect(await findCase(warehouse.context.database, 'main', open?.id ?? '')).toMatchObject({
    state: 'resolved',
  })
})

test('a manifest that goes back stops the lane before the next send, loudly', async () => {
  await ship('o1', 'o2', 'o3')
  front.shown.upto = 1
  expect(await compare('quarter_hour')).toMatchObject({ result: 'regressed', counts: { lost: 2 } })
  const find = () => findPartner(warehouse.context.database, 'main', 'shipco')
  expect((await find())?.pausedReason).toBe('its manifest went back')
  expect(pages.filter((message) => message.startsWith('page:'))).toHaveLength(1)
  const [open, ...more] = await openCasesNow()
  expect(open).toMatchObject({ kind: 'partner_regressed', partner_id: 'shipco' })
  expect(more).toEqual([])
  const before = await warehouse.ledger()
  await warehouse.handOver(record('o4'))
  const worker = await warehouse.startWorker()
  await worker.stop()
  expect(await warehouse.ledger()).toEqual(before)
  // A person has found out why: from here the two that are missing are cases of their own.
  const wish = { case: open?.id ?? '', actor: 'person:ada', outcome: 'restored from a backup' }
  orThrow(await resolveCase(warehouse.context, wish))
  const by = { partner: 'shipco', actor: 'person:ada', reason: 'restored from a backup' }
  orThrow(await resumePartner(warehouse.context, by))
  expect(await compare()).toMatchObject({ result: 'red', counts: { lost: 2 } })
  expect((await find())?.pausedAt).toBeNull()
  const lost = (await openCasesNow()).map((one) => one.subject_id.slice(0, 9))
  expect(lost).toEqual(['lost:dsp_', 'lost:dsp_'])
})

test('a partner that does not answer is written down as not compared', async () => {
  await warehouse.faults([{ match: { method: 'GET' }, fault: 'status', value: 500 }])
  expect(await compare()).toMatchObject({ result: 'failed', code: 'manifest_unavailable' })
  await warehouse.faults([])
  front.shown.extra.push({ key: 'nonsense' })
  expect(await compare()).toMatchObject({ result: 'failed', code: 'manifest_unavailable' })
  const nobody = { partner: 'no', cause: 'person', actor: 'x' } as const
  expect(await reconcileShipments(warehouse.deps, nobody)).toMatchObject({
    refusal: { code: 'partner_unknown' },
  })
})

test('what is due is compared once, however many workers look', async () => {
  const done = await Promise.all([1, 2, 3, 4].map(() => reconcileDue(warehouse.deps)))
  expect(done.filter(Boolean)).toHaveLength(1)
  await warehouse.asOwner(
    `update reconciliation.schedule set due_at = now() where cadence = 'nightly'`,
  )
  const worker = startReconciliation(warehouse.deps, { pollMs: 20 })
  const causes = async () =>
    (await listRuns(warehouse.context.database, 'main', { limit: 10 })).map((one) => one.cause)
  await vi.waitFor(async () => expect(await causes()).toEqual(['nightly', 'quarter_hour']), {
    timeout: 20_000,
  })
  await worker.stop()
})

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { casesOfOrder, listCases, resolveCase } from '#cases/index.ts'
import {
  closeUnknown,
  fulfillmentChecks,
  sealBatch,
  startFulfillmentWorker,
} from '#fulfillment/index.ts'
import { partnerSecrets } from '#partners/index.ts'
import { raiseFenceEpoch, read } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { copyDatabase } from '../../../tests/copy-database.ts'
import { MASTER_KEY, openWarehouse, record } from '../../fulfillment/warehouse.fixture.ts'
import type { Warehouse } from '../../fulfillment/warehouse.fixture.ts'
import { clearLane } from './clear-lane.ts'
import { reconcileShipments } from './reconcile-shipments.ts'

let warehouse: Warehouse
const copies: (() => Promise<void>)[] = []
beforeEach(async () => {
  warehouse = await openWarehouse({ isDeaf: true })
})
afterEach(async () => {
  for (const drop of copies.splice(0)) await drop()
  await warehouse.stop()
})

/** A copy of the database as it is now: what a restore of this moment's backup gives. */
async function backup() {
  const copy = await copyDatabase(warehouse.test)
  copies.push(copy.drop)
  return copy
}

const depsOf = (context: Context) => ({
  ...warehouse.deps,
  context,
  secrets: partnerSecrets(context, MASTER_KEY),
})
const reconcile = async (context: Context) =>
  orThrow(
    await reconcileShipments(depsOf(context), {
      partner: 'shipco',
      cause: 'person',
      actor: 'cli:ada',
    }),
  )
const rowsOf = async (context: Context, text: string) =>
  (await context.database.pool.query<Record<string, unknown>>(text)).rows
/** A whole round of the worker at least: a stop waits for what it has begun. */
const oneRound = async (context: Context) => (await startFulfillmentWorker(depsOf(context))).stop()
const states = async (context: Context) =>
  Object.fromEntries(
    (await rowsOf(context, 'select order_id, state from fulfillment.fulfillment_order')).map(
      (row) => [row['order_id'], row['state']],
    ),
  )
const fulfillmentOf = async (context: Context, order: string) =>
  String(
    (
      await rowsOf(
        context,
        `select id from fulfillment.fulfillment_order where order_id = '${order}'`,
      )
    )[0]?.['id'],
  )
const broken = async (context: Context) => {
  const claims: string[] = []
  for (const { claim, find } of fulfillmentChecks) {
    const rows = await read(context.database, find, { merchant: 'main' })
    if (rows.length > 0) claims.push(`${claim}: ${JSON.stringify(rows)}`)
  }
  return claims
}

/** Sends what is open and waits until the partner has answered for all of it. */
async function sendAll(context: Context): Promise<void> {
  const worker = await startFulfillmentWorker(depsOf(context))
  await vi.waitFor(
    async () => {
      const open = await rowsOf(
        context,
        `select id from fulfillment.fulfillment_order where state in ('open', 'sealed')`,
      )
      expect(open).toEqual([])
    },
    { timeout: 20_000 },
  )
  await worker.stop()
}

test('a restored backup sends nothing until the books agree, then nothing twice and nothing is lost', async () => {
  const { context } = warehouse
  await warehouse.handOver(record('o1'))
  await sendAll(context)
  await warehouse.handOver(record('o2'))
  await sealBatch(context, 'shipco', warehouse.deps)
  await warehouse.handOver(record('o3'), record('o4'))
  const old = await backup()
  // Sent after the backup: the dispatch of o2, and a batch of o3 and o4 that the backup knows nothing of.
  await sendAll(context)
  const before = await warehouse.ledger()
  expect(before).toHaveLength(4)

  orThrow({
    ok: true,
    value: await raiseFenceEpoch(old.ownerUrl, {
      merchant: 'main',
      actor: 'cli:ada',
      reason: 'restored',
    }),
  })
  const restored = await old.open()
  expect(await states(restored)).toEqual({ o1: 'accepted', o2: 'sealed', o3: 'open', o4: 'open' })
  await oneRound(restored)
  expect(await states(restored)).toEqual({ o1: 'accepted', o2: 'sealed', o3: 'open', o4: 'open' })
  expect(await warehouse.ledger()).toEqual(before)

  // A worker and a person at once: what one takes back the other finds taken back.
  const runs = await Promise.all([reconcile(restored), reconcile(restored)])
  const green = { result: 'green', counts: { phantom: 0 } }
  expect(runs).toMatchObject([green, green])
  expect(runs.map((run) => run.released).reduce((sum, one) => sum + one)).toBe(1)
  const adopted = await rowsOf(
    restored,
    `select count(*)::int as n from platform.audit where action = 'dispatch.adopt'`,
  )
  expect(adopted).toEqual([{ n: 1 }])
  await sendAll(restored)
  expect(await warehouse.ledger()).toEqual(before)
  expect(await states(restored)).toEqual({
    o1: 'accepted',
    o2: 'accepted',
    o3: 'accepted',
    o4: 'accepted',
  })
  const sent = await rowsOf(restored, 'select key from fulfillment.dispatch order by sequence')
  const known = await rowsOf(context, 'select key from fulfillment.dispatch order by sequence')
  expect(sent).toEqual(known)
  expect(await broken(restored)).toEqual([])
  const audit = await rowsOf(
    restored,
    `select actor from platform.audit where action = 'lane.clear'`,
  )
  expect(audit).toEqual([{ actor: 'cli:ada' }])
  expect(await reconcile(restored)).toMatchObject({ result: 'green', matched: 3, adopted: 0 })
})

test('what was sealed before a restore and never sent goes out after it, under its own key', async () => {
  const { context } = warehouse
  await warehouse.handOver(record('o1'))
  await sealBatch(context, 'shipco', warehouse.deps)
  const [sealed] = await rowsOf(
    context,
    `select d.key, encode(sha256(b.bytes), 'hex') as bytes from fulfillment.dispatch d join fulfillment.sealed_body b on b.dispatch_id = d.id`,
  )
  await raiseFenceEpoch(warehouse.test.ownerUrl, { merchant: 'main', actor: 'x', reason: 'y' })
  await oneRound(context)
  expect(await warehouse.ledger()).toEqual([])
  expect(await reconcile(context)).toMatchObject({ result: 'green', released: 1 })
  await sendAll(context)
  expect(await warehouse.ledger()).toMatchObject([{ key: sealed?.['key'], acceptances: 1 }])
  const [after] = await rowsOf(
    context,
    `select d.key, encode(sha256(b.bytes), 'hex') as bytes from fulfillment.dispatch d join fulfillment.sealed_body b on b.dispatch_id = d.id`,
  )
  expect(after).toEqual(sealed)
})

test('an order that the restore took from us keeps the lane shut until a person closes it; a resolved case opens nothing', async () => {
  const { context } = warehouse
  await warehouse.handOver(record('o1'))
  const old = await backup()
  await warehouse.handOver(record('lost'))
  await sendAll(context)
  const before = await warehouse.ledger()
  await raiseFenceEpoch(old.ownerUrl, { merchant: 'main', actor: 'x', reason: 'y' })
  const restored = await old.open()
  expect(await reconcile(restored)).toMatchObject({ result: 'red', counts: { phantom: 1 } })
  expect(await reconcile(restored)).toMatchObject({ result: 'red', adopted: 0 })
  // The order that the phantom holds and that we know is held, so that it cannot go a second time.
  expect(await states(restored)).toEqual({ o1: 'held' })
  expect(await rowsOf(restored, 'select kind from fulfillment.hold')).toEqual([
    { kind: 'operator' },
  ])
  const [open] = await listCases(restored.database, 'main', { state: 'open', limit: 10 })
  expect(open).toMatchObject({ kind: 'discrepancy', partner_id: 'shipco' })
  expect(await casesOfOrder(restored.database, 'main', 'o1')).toEqual([])
  const wish = { case: open?.id ?? '', actor: 'person:ada', outcome: 'entered the order again' }
  orThrow(await resolveCase(restored, wish))
  expect(await reconcile(restored)).toMatchObject({ released: 0 })
  expect(await rowsOf(restored, 'select 1 from fulfillment.lane where cleared_epoch > 1')).toEqual(
    [],
  )
  const unknown = await rowsOf(
    restored,
    'select fulfillment_id, state, order_id from fulfillment.unknown_fulfillment order by state',
  )
  // The order that we know is held with it, so that nobody releases it unseen.
  expect(unknown).toMatchObject([
    { state: 'held', order_id: 'o1' },
    { state: 'open', order_id: null },
  ])
  for (const { fulfillment_id: id } of unknown) {
    const close = { fulfillment: String(id), actor: 'person:ada', reason: 'entered again' }
    expect(orThrow(await closeUnknown(restored, close))).toEqual({ closed: 1 })
    expect(await closeUnknown(restored, close)).toMatchObject({
      refusal: { code: 'fulfillment_unknown' },
    })
  }
  expect(await reconcile(restored)).toMatchObject({ result: 'green' })
  expect(
    await rowsOf(restored, 'select cleared_epoch from fulfillment.lane where cleared_epoch > 1'),
  ).toEqual([{ cleared_epoch: 2 }])
  await oneRound(restored)
  expect(await warehouse.ledger()).toEqual(before)
  expect(
    await rowsOf(
      restored,
      'select sequence::int, key is null as unnamed from fulfillment.skipped_sequence',
    ),
  ).toEqual([{ sequence: 1, unnamed: false }])
  expect(await broken(restored)).toEqual([])
})

test('a partner without a manifest is opened by a person, once every frozen dispatch is answered', async () => {
  const { context } = warehouse
  await warehouse.handOver(record('o1'))
  await sealBatch(context, 'shipco', warehouse.deps)
  await raiseFenceEpoch(warehouse.test.ownerUrl, { merchant: 'main', actor: 'x', reason: 'y' })
  const wish = { partner: 'shipco', actor: 'person:ada', reason: 'asked by telephone' }
  expect(await clearLane(context, wish)).toMatchObject({ refusal: { code: 'dispatch_state' } })
  expect(await clearLane(context, { ...wish, partner: 'no' })).toMatchObject({
    refusal: { code: 'partner_unknown' },
  })
  await warehouse.faults([{ match: { method: 'GET' }, fault: 'status', value: 404 }])
  expect(await reconcile(context)).toMatchObject({ result: 'unsupported', released: 0 })
  await warehouse.asOwner(`update fulfillment.dispatch set state = 'accepted', settled_at = now()`)
  expect(orThrow(await clearLane(context, wish))).toEqual({ wasShut: true })
  expect(orThrow(await clearLane(context, wish))).toEqual({ wasShut: false })
  expect(await fulfillmentOf(context, 'o1')).toMatch(/^ful_/)
})

import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId, orThrow } from '#kernel/index.ts'
import { addLocation } from '#inventory/index.ts'
import { registerPartner } from '#partners/index.ts'
import { withTransaction } from '#platform/index.ts'
import { liftHold, placeHold } from '../hold/change-holds.ts'
import { receiveHandOver } from './receive-hand-over.ts'
import { sealBatch } from '../seal/seal-batch.ts'
import { KEYS, MASTER_KEY, opened, openWarehouse, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'

let house: Warehouse
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true })
  const where = { id: 'packlogic', url: 'https://packlogic.example', actor: 'test' }
  orThrow(await registerPartner(house.context, MASTER_KEY, where))
  await withTransaction(house.test.database, (tx) =>
    addLocation(tx, 'main', { id: 'loc-packlogic', name: 'PackLogic' }),
  )
})
afterAll(() => house.stop())

const receive = (...input: Parameters<typeof opened>) =>
  receiveHandOver(house.context, KEYS, opened(...input))
const seal = () => sealBatch(house.context, 'shipco', house.deps)
const statesOf = async (order: string) => {
  const rows = await house.query(
    `select state from fulfillment.fulfillment_order where order_id = '${order}' order by id`,
  )
  return rows.map((row) => row['state'])
}
const openReasons = async (order: string) => {
  const rows = await house.query(
    `select h.reasons from fulfillment.hold h
       join fulfillment.fulfillment_order f on f.id = h.fulfillment_id
      where f.order_id = '${order}' and h.released_at is null order by h.id`,
  )
  return rows.flatMap((row) => row['reasons'])
}
const idOf = async (order: string): Promise<string> => {
  const rows = await house.query(
    `select id from fulfillment.fulfillment_order where order_id = '${order}'`,
  )
  return String(rows[0]?.['id'])
}
const everything = () =>
  house.query(`
    select (select count(*) from fulfillment.handover) as handovers,
           (select count(*) from fulfillment.received_order) as orders,
           (select count(*) from fulfillment.decision) as decisions,
           (select count(*) from fulfillment.fulfillment_order) as fulfillments,
           (select count(*) from fulfillment.hold) as holds,
           (select count(*) from platform.event) as events`)

test('the same hand-over again answers the same receipt and changes nothing', async () => {
  const batch = newId('hov')
  const records = [record('ord_r1', { effectiveAtMs: 1_790_000_000_000 }), record('ord_r2')]
  const first = await receive(records, batch)
  const before = await everything()
  expect(await receive(records, batch)).toEqual(first)
  expect(await everything()).toEqual(before)
  expect(first).toMatchObject({ ok: true, value: { records: 2, holds: 0, clears: 2 } })
})

test('a batch id with other content is a conflict and leaves nothing', async () => {
  const batch = newId('hov')
  await receive([record('ord_c1')], batch)
  const before = await everything()
  const other = await receive([record('ord_c2')], batch)
  expect(other).toMatchObject({ ok: false, refusal: { code: 'handover_conflict' } })
  expect(await everything()).toEqual(before)
})

test('a decision number under another id is a conflict and leaves nothing', async () => {
  await receive([record('ord_d1')])
  const before = await everything()
  const other = await receive([record('ord_new'), record('ord_d1', { decisionId: 'rvd_other' })])
  expect(other).toMatchObject({ ok: false, refusal: { code: 'handover_conflict' } })
  expect(await everything()).toEqual(before)
})

test('an order that differs from the one held here is refused, and its batch with it', async () => {
  await receive([record('ord_x1')])
  const before = await everything()
  const changed = record('ord_x1', { decisionNumber: 2, shipTo: { name: 'Eve', country: 'GB' } })
  const other = await receive([record('ord_x2'), changed])
  expect(other).toMatchObject({ ok: false, refusal: { code: 'order_digest_mismatch' } })
  expect(await everything()).toEqual(before)
})

test('a location without a partner is refused', async () => {
  const allocations = [{ locationId: 'loc-nowhere', qty: 1 }]
  const lines = [{ line: 1, sku: 'A', qty: 1, allocations }]
  const outcome = await receive([record('ord_nowhere', { lines })])
  expect(outcome).toMatchObject({ ok: false, refusal: { code: 'location_unknown' } })
})

test.each([
  ['a HOLD', { verdict: 'hold', reasons: ['value', 'country'] }, ['value', 'country']],
  ['nobody’s verdict', { verdict: 'unspecified' }, ['verdict_missing']],
  ['a CLEAR with a forged certificate', { forged: true }, ['approval_unproven']],
] as const)('%s holds the order and says why', async (_, over, reasons) => {
  const order = newId('ord')
  const receipt = await receive([record(order, over)])
  expect(receipt).toMatchObject({ ok: true, value: { holds: 1, clears: 0 } })
  expect(await statesOf(order)).toEqual(['held'])
  expect(await openReasons(order)).toEqual(reasons)
})

test('a CLEAR opens what a HOLD held, and a later HOLD holds it again', async () => {
  await receive([record('ord_turn', { verdict: 'hold' })])
  await receive([record('ord_turn', { decisionNumber: 2 })])
  expect(await statesOf('ord_turn')).toEqual(['open'])
  expect(await openReasons('ord_turn')).toEqual([])
  await receive([record('ord_turn', { decisionNumber: 3, verdict: 'hold', reasons: ['undo'] })])
  expect(await statesOf('ord_turn')).toEqual(['held'])
  expect(await openReasons('ord_turn')).toEqual(['undo'])
})

test('a CLEAR that arrives after a newer HOLD opens nothing', async () => {
  await receive([record('ord_late', { decisionNumber: 2, verdict: 'hold' })])
  await receive([record('ord_late', { decisionNumber: 1 })])
  expect(await statesOf('ord_late')).toEqual(['held'])
})

test('an operator hold outlives a CLEAR, and lifting it opens the order', async () => {
  await receive([record('ord_op', { verdict: 'hold' })])
  const by = { fulfillment: await idOf('ord_op'), actor: 'person:ada', reason: 'address?' }
  const { id: hold } = orThrow(await placeHold(house.context, by))
  await receive([record('ord_op', { decisionNumber: 2 })])
  expect(await statesOf('ord_op')).toEqual(['held'])
  orThrow(await liftHold(house.context, { ...by, hold }))
  expect(await statesOf('ord_op')).toEqual(['open'])
  expect(await liftHold(house.context, { ...by, hold })).toEqual({ ok: true, value: null })
  const audit = await house.query(
    `select action, actor from platform.audit where subject_id = '${by.fulfillment}' order by id`,
  )
  expect(audit).toEqual([
    { action: 'fulfillment.hold', actor: 'person:ada' },
    { action: 'fulfillment.release', actor: 'person:ada' },
  ])
})

test('nobody lifts a review hold by hand', async () => {
  await receive([record('ord_rev', { verdict: 'hold' })])
  const fulfillment = await idOf('ord_rev')
  const holds = await house.query(
    `select id from fulfillment.hold where fulfillment_id = '${fulfillment}'`,
  )
  const by = { fulfillment, hold: String(holds[0]?.['id']), actor: 'person:ada', reason: 'please' }
  const refused = { ok: false, refusal: { code: 'hold_needs_decision' } }
  expect(await liftHold(house.context, by)).toMatchObject(refused)
  const unknown = { ok: false, refusal: { code: 'hold_unknown' } }
  expect(await liftHold(house.context, { ...by, hold: 'hold_no' })).toMatchObject(unknown)
  const gone = { ok: false, refusal: { code: 'fulfillment_unknown' } }
  expect(await placeHold(house.context, { ...by, fulfillment: 'ful_no' })).toMatchObject(gone)
})

test('an order over two locations becomes one fulfillment order for each partner', async () => {
  const lines = [
    {
      line: 1,
      sku: 'A',
      qty: 3,
      allocations: [
        { locationId: 'loc-shipco', qty: 2 },
        { locationId: 'loc-packlogic', qty: 1 },
      ],
    },
    { line: 2, sku: 'B', qty: 1, allocations: [{ locationId: 'loc-packlogic', qty: 1 }] },
  ]
  await receive([record('ord_split', { lines })])
  const rows = await house.query(
    `select partner_id, lines from fulfillment.fulfillment_order
      where order_id = 'ord_split' order by partner_id`,
  )
  expect(rows).toEqual([
    {
      partner_id: 'packlogic',
      lines: [
        { line_id: '1', sku: 'A', qty: 1 },
        { line_id: '2', sku: 'B', qty: 1 },
      ],
    },
    { partner_id: 'shipco', lines: [{ line_id: '1', sku: 'A', qty: 2 }] },
  ])
})

test('the seal takes what is cleared and effective, and nothing that is held', async () => {
  await seal()
  await receive([
    record('ord_s_clear'),
    record('ord_s_held', { verdict: 'hold' }),
    record('ord_s_later', { effectiveAtMs: Date.now() + 60_000 }),
  ])
  await receive([record('ord_s_op')])
  const by = { fulfillment: await idOf('ord_s_op'), actor: 'person:ada', reason: 'wait' }
  orThrow(await placeHold(house.context, by))
  expect(await seal()).toMatchObject({ orders: 1, heldBack: 0 })
  expect(await statesOf('ord_s_clear')).toEqual(['sealed'])
  expect(await statesOf('ord_s_held')).toEqual(['held'])
  expect(await statesOf('ord_s_later')).toEqual(['open'])
  expect(await statesOf('ord_s_op')).toEqual(['held'])
  const late = await placeHold(house.context, { ...by, fulfillment: await idOf('ord_s_clear') })
  expect(late).toMatchObject({ ok: false, refusal: { code: 'dispatch_sealed' } })
})

test('a lone giant is held for a person and the rest is sealed', async () => {
  await seal()
  const shipTo = { name: 'x'.repeat(600_000), country: 'GB' }
  await receive([record('ord_giant', { shipTo }), record('ord_small')])
  expect(await seal()).toMatchObject({ orders: 1, heldBack: 1 })
  expect(await statesOf('ord_giant')).toEqual(['held'])
  expect(await openReasons('ord_giant')).toEqual(['dispatch_too_large'])
})

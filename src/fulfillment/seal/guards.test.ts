import { afterAll, beforeAll, expect, test } from 'vitest'
import { read, sqlState } from '#platform/index.ts'
import { fulfillmentChecks } from '../checks.ts'
import { sealBatch } from './seal-batch.ts'
import { assertShipOnceIndex } from './ship-once-index.ts'
import { selectShipOnceIndex } from './seal-statements.ts'
import { openLane, openWarehouse, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'

let house: Warehouse
let held = ''
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true })
  await house.handOver(record('ord_held', { verdict: 'hold' }), record('ord_sealed'))
  await seal()
  held = await idOf('ord_held')
})
afterAll(() => house.stop())

const seal = () => sealBatch(house.context, 'shipco', house.deps)
const idOf = async (order: string): Promise<string> => {
  const rows = await house.query(
    `select id from fulfillment.fulfillment_order where order_id = '${order}'`,
  )
  return String(rows[0]?.['id'])
}
/** The SQLSTATE that the runtime role gets for a statement, or 'done'. */
const attempt = async (text: string): Promise<string | undefined> => {
  try {
    await house.query(text)
    return 'done'
  } catch (fault) {
    return sqlState(fault)
  }
}
const CHECK = '23514'
const FOREIGN_KEY = '23503'
const UNIQUE = '23505'
const PRIVILEGE = '42501'

test('the runtime role cannot open a held order without a CLEAR of that order', async () => {
  const open = `update fulfillment.fulfillment_order set state = 'open'`
  const where = `where id = '${held}'`
  expect(await attempt(`${open} ${where}`)).toBe(CHECK)
  const asIf = `, cleared_by = 'rvd_ord_held_1', cleared_verdict = 'clear', effective_at = now()`
  expect(await attempt(`${open} ${asIf} ${where}`)).toBe(FOREIGN_KEY)
  const borrowed = `, cleared_by = 'rvd_ord_sealed_1', cleared_verdict = 'clear', effective_at = now()`
  expect(await attempt(`${open} ${borrowed} ${where}`)).toBe(FOREIGN_KEY)
})

test('the runtime role cannot claim a line of a held order, nor a line twice', async () => {
  const [dispatch] = await house.query(`select id from fulfillment.dispatch limit 1`)
  const claim = (fulfillment: string, order: string, decision: string, verdict = 'clear') =>
    attempt(`insert into fulfillment.line_claim
      (merchant_id, fulfillment_id, generation, dispatch_id, order_id, decision_id, verdict)
      values ('main', '${fulfillment}', 1, '${String(dispatch?.['id'])}', '${order}', '${decision}', '${verdict}')`)
  expect(await claim(held, 'ord_held', 'rvd_ord_held_1')).toBe(FOREIGN_KEY)
  expect(await claim(held, 'ord_held', 'rvd_ord_held_1', 'hold')).toBe(CHECK)
  const sealed = await idOf('ord_sealed')
  expect(await claim(sealed, 'ord_sealed', 'rvd_ord_sealed_1')).toBe(UNIQUE)
})

test.each([
  `update fulfillment.sealed_body set bytes = ''`,
  `delete from fulfillment.sealed_body`,
  `update fulfillment.decision set verdict = 'clear'`,
  `delete from fulfillment.decision`,
  `update fulfillment.dispatch set key = 'hfd1-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'`,
  `update fulfillment.fulfillment_order set lines = '[]'`,
  `update fulfillment.received_order set ship_to = '{}'`,
  `delete from fulfillment.line_claim`,
  `update fulfillment.attempt set class = 'accepted'`,
  `drop index fulfillment.one_live_line`,
])('the runtime role may not: %s', async (text) => {
  expect(await attempt(text)).toBe(PRIVILEGE)
})

test('a CLEAR row written by hand opens nothing: the seal asks for its certificate', async () => {
  await house.query(`
    insert into fulfillment.decision (merchant_id, order_id, number, id, verdict, reasons, revision,
      order_digest, key_id, approval, effective_at, handover_id)
    select merchant_id, order_id, 9, 'rvd_forged', 'clear', '{}', revision, order_digest, key_id,
           decode(repeat('ab', 32), 'hex'), now(), handover_id
      from fulfillment.decision where order_id = 'ord_held'`)
  await house.query(`update fulfillment.hold set released_at = now(), released_by = 'x',
    release_reason = 'x' where fulfillment_id = '${held}'`)
  await house.query(`update fulfillment.fulfillment_order set state = 'open',
    cleared_by = 'rvd_forged', cleared_verdict = 'clear', effective_at = now() where id = '${held}'`)
  expect(await seal()).toEqual({ dispatches: [], orders: 0, heldBack: 1 })
  const rows = await house.query(
    `select f.state, h.reasons from fulfillment.fulfillment_order f
       join fulfillment.hold h on h.fulfillment_id = f.id and h.released_at is null
      where f.id = '${held}'`,
  )
  expect(rows).toEqual([{ state: 'held', reasons: ['approval_unproven'] }])
})

test('a second fulfillment order written by hand for a cleared order is not sealed', async () => {
  await house.query(`
    insert into fulfillment.fulfillment_order (merchant_id, id, order_id, revision, partner_id,
      location_id, lines, state, cleared_by, cleared_verdict, effective_at)
    select merchant_id, 'ful_copy', order_id, revision, 'copyco', 'loc-copyco', lines, 'open',
           'rvd_ord_sealed_1', 'clear', now()
      from fulfillment.fulfillment_order where order_id = 'ord_sealed'`)
  await openLane(house.context, 'copyco')
  expect(await sealBatch(house.context, 'copyco', house.deps)).toMatchObject({
    orders: 0,
    heldBack: 1,
  })
})

test('a changed revision is with nobody while a partner has the old one, not even by hand', async () => {
  await house.handOver(record('ord_rev'))
  await seal()
  const shipTo = { name: 'Ada', country: 'GB', street: 'New Road 1' }
  await house.handOver(record('ord_rev', { revision: 2, decisionNumber: 2, shipTo }))
  const states = `select revision, state from fulfillment.fulfillment_order
                   where order_id = 'ord_rev' order by revision`
  const both = [
    { revision: 1, state: 'sealed' },
    { revision: 2, state: 'open' },
  ]
  expect(await seal()).toMatchObject({ orders: 0, heldBack: 0 })
  expect(await house.query(states)).toEqual(both)
  const byHand = `update fulfillment.fulfillment_order
     set state = 'sealed', dispatch_id = (select id from fulfillment.dispatch limit 1)
   where order_id = 'ord_rev' and revision = 2`
  expect(await attempt(byHand)).toBe(UNIQUE)
  await house.query(`insert into fulfillment.recall_line (merchant_id, dispatch_id, fulfillment_id,
      order_id, partner_id, cause, actor, reason, state, answered_at)
    select merchant_id, dispatch_id, fulfillment_id, order_id, 'shipco', 'amend', 'test', 'test',
           'recalled', now() from fulfillment.line_claim where order_id = 'ord_rev'`)
  await house.query(
    `update fulfillment.line_claim set state = 'recalled' where order_id = 'ord_rev'`,
  )
  await house.query(`update fulfillment.fulfillment_order set state = 'recalled'
    where order_id = 'ord_rev' and revision = 1`)
  expect(await seal()).toMatchObject({ orders: 1 })
})

test('units moved to another partner by hand are not sealed: the certificate names the location', async () => {
  await house.handOver(record('ord_moved'))
  await house.asOwner(`
    update fulfillment.received_order
       set lines = replace(lines::text, 'loc-shipco', 'loc-copyco')::jsonb
     where order_id = 'ord_moved';
    update fulfillment.fulfillment_order set partner_id = 'moveco', location_id = 'loc-copyco'
     where order_id = 'ord_moved'`)
  await openLane(house.context, 'moveco')
  expect(await sealBatch(house.context, 'moveco', house.deps)).toMatchObject({
    orders: 0,
    heldBack: 1,
  })
})

test('every invariant query runs and finds a sound database sound', async () => {
  expect(fulfillmentChecks.length).toBeGreaterThan(10)
  for (const { claim, find } of fulfillmentChecks) {
    const rows = await read(house.test.database, find, { merchant: 'main' })
    expect({ claim, rows }).toEqual({ claim, rows: [] })
  }
})

test('without the ship-once index nothing is dispatched', async () => {
  await assertShipOnceIndex(house.test.database)
  await house.asOwner(`drop index fulfillment.one_live_line`)
  await expect(house.startWorker()).rejects.toThrow('one_live_line')
  await house.asOwner(`create unique index one_live_line on fulfillment.line_claim
    (merchant_id, fulfillment_id, generation) where state = 'live' and dispatch_id = 'none'`)
  await expect(assertShipOnceIndex(house.test.database)).rejects.toThrow('one_live_line')
  expect(await read(house.test.database, selectShipOnceIndex, {})).toHaveLength(1)
})

test('nothing of an order is sealed while a partner holds some of it that we do not know', async () => {
  await house.handOver(record('ord_unknown'))
  const identity = (await idOf('ord_unknown')).slice(4, 30)
  // Another revision, of which only the name is the same.
  await house.query(`insert into fulfillment.unknown_fulfillment
    (merchant_id, partner_id, key, fulfillment_id, identity, sequence, batch_id, revision, content_sha256,
     partner_state)
    values ('main', 'other', 'hfd1-${'a'.repeat(32)}', 'ful_${identity}x2x1x000000000000', '${identity}', 7,
            'btc_x', 1, decode(repeat('00', 32), 'hex'), 'accepted')`)
  expect((await seal()).orders).toBe(0)
  const asPerson = `closed_by = 'person:ada', closed_reason = 'it came back', settled_at = now()`
  expect(
    await attempt(
      `update fulfillment.unknown_fulfillment set state = 'closed', settled_at = now()`,
    ),
  ).toBe(CHECK)
  expect(await attempt(`delete from fulfillment.unknown_fulfillment`)).toBe(PRIVILEGE)
  await house.query(`update fulfillment.unknown_fulfillment set state = 'closed', ${asPerson}`)
  expect((await seal()).orders).toBe(1)
})

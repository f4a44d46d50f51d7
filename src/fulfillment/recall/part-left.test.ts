import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId, orThrow } from '#kernel/index.ts'
import { withTransaction } from '#platform/index.ts'
import { withdrawOrder } from '../receive/withdraw-order.ts'
import { approveReship, requestReship } from '../reship/reship.ts'
import { sealBatch } from '../seal/seal-batch.ts'
import { parcelsOf } from '../ship/parcels.fixture.ts'
import type { Order } from '../ship/parcels.fixture.ts'
import { resendRejected } from '../ship/settle-open-lines.ts'
import { openWarehouse } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'
import { requestRecall } from './request-recall.ts'
import { takeBackAll } from './take-back-all.ts'

let house: Warehouse
let at: ReturnType<typeof parcelsOf>
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true })
  at = parcelsOf(house)
  await at.receive(100)
})
afterAll(() => house.stop())

const dispatchOf = async (one: Order) => {
  const rows = await house.query(
    `select dispatch_id from fulfillment.fulfillment_order where id = '${one.id}'`,
  )
  return String(rows[0]?.['dispatch_id'])
}
/** The partner does not have the dispatch: all of it comes back. */
const takeBack = (dispatch: string) =>
  withTransaction(house.test.database, (tx) => takeBackAll(tx, 'main', dispatch))
const cancel = async (one: Order) =>
  orThrow(
    await withdrawOrder(house.context, {
      id: newId('cxl'),
      orderId: one.order,
      revision: 1,
      kind: 'cancel',
    }),
  )
const ship = (one: Order, name: string, units: readonly (readonly [number, number])[]) =>
  at.ship(one, { name, lines: units, isLive: true })
const WHOLE = [
  [1, 3],
  [2, 2],
] as const

test('what comes back after its first parcel ends with a case, and is never sealed whole again', async () => {
  const one = await at.sealed()
  await ship(one, 'part', [[1, 1]])
  await at.apply()
  const dispatch = await dispatchOf(one)
  const wish = { dispatch, actor: 'ann', reason: 'by mistake' }
  await withTransaction(house.test.database, (tx) => requestRecall(tx, 'main', wish))
  await takeBack(dispatch)
  expect(await at.stateOf(one)).toBe('recalled')
  expect(await at.openCasesOf(one)).toEqual(['discrepancy'])
  expect((await sealBatch(house.context, 'shipco', house.deps)).orders).toBe(0)
  expect(await cancel(one)).toEqual({ kind: 'partly', freedLocations: ['loc-shipco'] })
})

test('a reship that is cancelled and comes back gives back what it reserved', async () => {
  const one = await at.sealed()
  await ship(one, 'first', WHOLE)
  await at.apply()
  const about = { fulfillment: one.id, reason: 'lost', evidence: 'ticket 4711' }
  const { id } = orThrow(await requestReship(house.context, { ...about, actor: 'person:ada' }))
  orThrow(await approveReship(house.context, { reship: id, actor: 'person:bob', note: 'seen' }))
  await sealBatch(house.context, 'shipco', house.deps)
  const reserved = () =>
    house.query(
      `select sum(reserved_delta)::int as n from inventory.movement where subject_id = '${id}'`,
    )
  expect(await reserved()).toEqual([{ n: 5 }])
  expect((await cancel(one)).kind).toBe('recalling')
  await takeBack(await dispatchOf(one))
  expect(await at.stateOf(one)).toBe('recalled')
  expect(await reserved()).toEqual([{ n: 0 }])
})

test('a refused part of an order that is cancelled after another part left is not sent again', async () => {
  const gone = await at.sealed()
  await ship(gone, 'first', WHOLE)
  await at.apply()
  const refused = await at.sealed()
  // Two parts of one order: the second one at a partner that refused it.
  await house.asOwner(
    `update fulfillment.line_claim set state = 'rejected' where fulfillment_id = '${refused.id}'`,
  )
  await house.asOwner(
    `update fulfillment.fulfillment_order
        set state = 'rejected', order_id = '${gone.order}', partner_id = 'other', location_id = 'loc-other',
            cleared_by = (select cleared_by from fulfillment.fulfillment_order where id = '${gone.id}')
      where id = '${refused.id}'`,
  )
  expect(await cancel(gone)).toEqual({ kind: 'partly', freedLocations: ['loc-other'] })
  const change = { fulfillment: refused.id, actor: 'person:ada', reason: 'has it again' }
  expect(await resendRejected(house.context, change)).toMatchObject({
    refusal: { code: 'fulfillment_state' },
  })
})

import { afterAll, beforeAll, expect, test } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { approveReship, endReship, requestReship } from '#fulfillment/index.ts'
import { parcelsOf } from '#fulfillment/ship/parcels.fixture.ts'
import { openWarehouse } from '#fulfillment/warehouse.fixture.ts'
import type { Warehouse } from '#fulfillment/warehouse.fixture.ts'
import { reconciliationChecks } from '#reconciliation/index.ts'
import { orderStage } from '#roles/order-stage.ts'

let house: Warehouse
let at: ReturnType<typeof parcelsOf>
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true })
  at = parcelsOf(house)
  await at.receive(900)
})
afterAll(() => house.stop())

const WAITS = 'what a reship reserves waits for a generation that may still ship'
const broken = () => at.broken(reconciliationChecks)
const stageOf = (order: string) => orderStage(house.test.database, 'main', order)

test('an order whose reship was ended is as far as the parcel before it, found or not', async () => {
  const one = await at.shipped()
  expect(await stageOf(one.order)).toBe('shipped')
  const lost = { reason: 'lost', evidence: 'ticket 4711' }
  const asked = { fulfillment: one.id, actor: 'person:ada', ...lost }
  const { id: reship } = orThrow(await requestReship(house.context, asked))
  orThrow(await approveReship(house.context, { reship, actor: 'person:bob', note: 'seen' }))
  expect(await stageOf(one.order)).toBe('preparing')
  expect(await broken()).toEqual([])
  // What stays reserved in its name after it ended would never be sold again: `verify` must see it.
  await house.asOwner(
    `update fulfillment.fulfillment_order set state = 'withdrawn' where id = '${one.id}'`,
  )
  expect(await broken()).toEqual([WAITS])
  await house.asOwner(
    `update fulfillment.fulfillment_order set state = 'open' where id = '${one.id}'`,
  )
  orThrow(await endReship(house.context, { reship, actor: 'person:eve', note: 'it was found' }))
  expect(await broken()).toEqual([])
  expect(await stageOf(one.order)).toBe('shipped')
  const shipments = [{ shipment_id: `${one.id}-first`, fulfillment_id: one.id }]
  await at.tell('shipment.delivered', one.key, { shipments })
  await at.apply()
  expect(await stageOf(one.order)).toBe('delivered')
})

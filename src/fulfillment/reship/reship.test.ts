import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId, orThrow } from '#kernel/index.ts'
import { withdrawOrder } from '../receive/withdraw-order.ts'
import { sealBatch } from '../seal/seal-batch.ts'
import { parcelsOf } from '../ship/parcels.fixture.ts'
import type { Order } from '../ship/parcels.fixture.ts'
import { openWarehouse } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'
import { approveReship, refuseReship, requestReship } from './reship.ts'

let house: Warehouse
let at: ReturnType<typeof parcelsOf>
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true })
  at = parcelsOf(house)
  await at.receive(500)
})
afterAll(() => house.stop())

/** An order that has shipped whole. */
async function shipped(): Promise<Order> {
  const one = await at.shipped()
  expect(await at.stateOf(one)).toBe('shipped')
  return one
}
const ask = (one: Order, actor = 'person:ada') =>
  requestReship(house.context, {
    fulfillment: one.id,
    actor,
    reason: 'lost by the carrier',
    evidence: 'ticket 4711',
  })
const approve = (reship: string, actor: string) =>
  approveReship(house.context, { reship, actor, note: 'seen' })
const code = (expected: string) => ({ ok: false, refusal: { code: expected } })
const generationOf = async (one: Order) =>
  (
    await house.query(`select generation from fulfillment.fulfillment_order where id = '${one.id}'`)
  )[0]?.['generation']
const claimsOf = (one: Order) =>
  house.query(
    `select generation, state from fulfillment.line_claim where fulfillment_id = '${one.id}' order by 1`,
  )

test('a lost parcel ships again under a new order key, once two people have said so', async () => {
  const one = await shipped()
  const { id } = orThrow(await ask(one))
  expect(await at.openCasesOf(one)).toEqual(['lost_parcel'])
  expect(await approve(id, 'person:ada')).toMatchObject(code('reship_same_person'))
  expect(await generationOf(one)).toBe(1)
  expect(orThrow(await approve(id, 'person:bob'))).toEqual({ fulfillment: one.id, generation: 2 })
  expect(await at.reservedFor(id)).toBe(5)
  expect(await at.openCasesOf(one)).toEqual([])
  // It waits to be sealed, and yet it has shipped once: nobody takes it back.
  const wish = { id: newId('cxl'), orderId: one.order, revision: 1, kind: 'cancel' } as const
  expect(orThrow(await withdrawOrder(house.context, wish))).toMatchObject({
    kind: 'shipped',
    freedLocations: [],
  })
  await sealBatch(house.context, 'shipco', house.deps)
  expect(await claimsOf(one)).toEqual([
    { generation: 1, state: 'superseded' },
    { generation: 2, state: 'live' },
  ])
  const bodies = await house.query(
    `select o ->> 'order_key' as order_key, d.key from fulfillment.line_claim l
       join fulfillment.dispatch d on d.id = l.dispatch_id
       join fulfillment.sealed_body b on b.dispatch_id = d.id,
            jsonb_array_elements(convert_from(b.bytes, 'UTF8')::jsonb -> 'orders') o
      where l.fulfillment_id = '${one.id}' and o ->> 'fulfillment_id' = l.fulfillment_id
      order by l.generation`,
  )
  expect(new Set(bodies.map((row) => row['order_key'])).size).toBe(2)
  const again = { ...one, key: String(bodies[1]?.['key']) }
  await at.ship(again, {
    name: 'second',
    lines: [
      [1, 3],
      [2, 2],
    ],
    isLive: true,
  })
  await at.apply()
  expect(await at.stateOf(one)).toBe('shipped')
  expect(await at.suspicions(one)).toBe(0)
  expect(await at.reservedFor(id)).toBe(0)
  // The first dispatch has no live line any more: what ships by it now is a double.
  await at.ship(one, { name: 'found', lines: [[1, 1]], isLive: true })
  await at.apply()
  expect(await at.suspicions(one)).toBe(1)
  const audit = await house.query(
    `select action, actor from platform.audit where subject_id = '${id}' order by id`,
  )
  expect(audit).toEqual([
    { action: 'reship.requested', actor: 'person:ada' },
    { action: 'reship.approved', actor: 'person:bob' },
  ])
})

test('asked and approved by many at once it is one generation, one live line and one reservation', async () => {
  const one = await shipped()
  const asked = await Promise.all(['ada', 'eve', 'joe'].map((who) => ask(one, `person:${who}`)))
  const made = asked.flatMap((outcome) => (outcome.ok ? [outcome.value.id] : []))
  expect(made).toHaveLength(1)
  const [id = ''] = made
  const people = Array.from({ length: 10 }, (_, index) => `person:${index}`)
  const said = await Promise.all(people.map((who) => approve(id, who)))
  expect(said.filter((outcome) => outcome.ok)).toHaveLength(1)
  for (const no of said.filter((outcome) => !outcome.ok))
    expect(no).toMatchObject(code('reship_state'))
  await Promise.all([1, 2, 3].map(() => sealBatch(house.context, 'shipco', house.deps)))
  expect(await generationOf(one)).toBe(2)
  expect((await claimsOf(one)).filter((row) => row['state'] === 'live')).toEqual([
    { generation: 2, state: 'live' },
  ])
  expect(await at.reservedFor(id)).toBe(5)
  const broken = await at.broken()
  expect(broken).not.toContain('a line is live in one dispatch')
  expect(broken).not.toContain('an order with a partner has a live claim of its dispatch')
})

test('nothing but the approval raises a generation: not even SQL as the runtime role', async () => {
  const one = await shipped()
  const { id, case: about } = orThrow(await ask(one))
  const denied = /permission denied/
  const values = `'main', '${one.id}', 2`
  await expect(
    house.query(`update fulfillment.fulfillment_order set generation = 2 where id = '${one.id}'`),
  ).rejects.toThrow(denied)
  await expect(
    house.query(`insert into fulfillment.generation values (${values}, '${id}')`),
  ).rejects.toThrow(denied)
  await expect(
    house.query(`update fulfillment.reship set requested_by = 'x', state = 'approved'`),
  ).rejects.toThrow(denied)
  await expect(
    house.query(
      `insert into fulfillment.reship (merchant_id, id, fulfillment_id, generation, case_id, reason,
         requested_by, state) values ('main', 'rsh_x', '${one.id}', 3, '${about}', 'x', 'a', 'approved')`,
    ),
  ).rejects.toThrow(denied)
  await expect(
    house.query(
      `insert into fulfillment.line_claim (merchant_id, fulfillment_id, generation, dispatch_id, order_id,
         decision_id, verdict)
       select merchant_id, fulfillment_id, 2, dispatch_id || '', order_id, decision_id, verdict
         from fulfillment.line_claim where fulfillment_id <> '${one.id}'
        limit 1`,
    ),
  ).rejects.toThrow(/reship_generation|duplicate key/)
  await expect(
    house.query(
      `insert into fulfillment.fulfillment_order (merchant_id, id, order_id, revision, partner_id,
         location_id, generation, lines, state)
       values ('main', 'ful_x', 'ord_x', 1, 'shipco', 'loc-shipco', 2, '[]', 'held')`,
    ),
  ).rejects.toThrow('reship_generation')
  const own = await house.query(
    `select fulfillment.approve_reship('main', '${id}', 'person:ada', 'x') as done`,
  )
  expect(own).toEqual([{ done: false }])
  expect(await generationOf(one)).toBe(1)
})

test('without stock at the approved place nothing is approved, and a refused wish can be made again', async () => {
  const one = await shipped()
  const { id } = orThrow(await ask(one))
  await house.asOwner(`update inventory.stock set quarantined_at = now() where sku = 'B'`)
  expect(await approve(id, 'person:bob')).toMatchObject(code('sku_quarantined'))
  await house.asOwner(`update inventory.stock set quarantined_at = null`)
  expect(await generationOf(one)).toBe(1)
  expect(await at.reservedFor(id)).toBe(0)
  const no = { reship: id, actor: 'person:ada', note: 'it has arrived' }
  expect(await refuseReship(house.context, no)).toMatchObject({ ok: true })
  expect(await refuseReship(house.context, no)).toMatchObject(code('reship_state'))
  expect(await approve(id, 'person:bob')).toMatchObject(code('reship_state'))
  expect(await ask(one)).toMatchObject({ ok: true })
})

test('what has not shipped is not shipped again', async () => {
  const one = await at.sealed()
  expect(await ask(one)).toMatchObject(code('fulfillment_state'))
  expect(await ask({ ...one, id: 'ful_none' })).toMatchObject(code('fulfillment_unknown'))
  expect(await approve('rsh_none', 'person:bob')).toMatchObject(code('reship_unknown'))
})

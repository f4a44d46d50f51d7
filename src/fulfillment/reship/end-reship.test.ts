import { afterAll, beforeAll, expect, test } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { withTransaction } from '#platform/index.ts'
import { freeLines } from '../recall/free-lines.ts'
import { sealBatch } from '../seal/seal-batch.ts'
import { parcelsOf } from '../ship/parcels.fixture.ts'
import type { Order } from '../ship/parcels.fixture.ts'
import { openWarehouse } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'
import { endReship } from './end-reship.ts'
import { approveReship, listReships, requestReship } from './reship.ts'

let house: Warehouse
let at: ReturnType<typeof parcelsOf>
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true })
  at = parcelsOf(house)
  await at.receive(900)
})
afterAll(() => house.stop())

/** A shipped order whose reship two people have approved: it waits to be sealed. */
async function reshipped(): Promise<Order & { readonly reship: string }> {
  const one = await at.shipped()
  const asked = await requestReship(house.context, {
    fulfillment: one.id,
    actor: 'person:ada',
    reason: 'lost',
    evidence: 'ticket 4711',
  })
  const { id: reship } = orThrow(asked)
  orThrow(await approveReship(house.context, { reship, actor: 'person:bob', note: 'seen' }))
  return { ...one, reship }
}
const end = (reship: string) =>
  endReship(house.context, { reship, actor: 'person:eve', note: 'it was found' })
const code = (expected: string) => ({ ok: false, refusal: { code: expected } })
const seal = () => sealBatch(house.context, 'shipco', house.deps)

test('a reship that its partner gave back can be ended: it never ships, and its stock is free', async () => {
  const one = await reshipped()
  await seal()
  expect(await end(one.reship)).toMatchObject(code('fulfillment_state'))
  expect(await at.reservedFor(one.reship)).toBe(5)
  const [row] = await house.query(
    `select dispatch_id from fulfillment.fulfillment_order where id = '${one.id}'`,
  )
  await house.query(
    `insert into fulfillment.recall_line (merchant_id, dispatch_id, fulfillment_id, order_id, partner_id,
       cause, actor, reason, state, answered_at)
     values ('main', '${String(row?.['dispatch_id'])}', '${one.id}', '${one.order}', 'shipco', 'operator',
       'person:ada', 'found', 'recalled', now())`,
  )
  await withTransaction(house.test.database, (tx) =>
    freeLines(tx, 'main', String(row?.['dispatch_id']), [one.id]),
  )
  expect(orThrow(await end(one.reship))).toEqual({ fulfillment: one.id })
  expect(await at.reservedFor(one.reship)).toBe(0)
  await seal()
  expect(await at.stateOf(one)).toBe('withdrawn')
  expect(await end(one.reship)).toMatchObject(code('reship_state'))
  const page = { state: 'ended', limit: 10 }
  const listed = await listReships(house.test.database, 'main', page)
  expect(listed).toMatchObject([{ id: one.reship, state: 'ended' }])
  const audit = await house.query(
    `select actor, reason from platform.audit where subject_id = '${one.reship}' and action = 'reship.ended'`,
  )
  expect(audit).toEqual([{ actor: 'person:eve', reason: 'it was found' }])
  expect(await at.broken()).toEqual([])
})

test('ended while it is sealed, a reship is with its partner and reserved, or neither', async () => {
  for (let round = 0; round < 12; round += 1) {
    const one = await reshipped()
    const [ended] = await Promise.all([end(one.reship), seal(), seal()])
    expect(ended.ok ? 'fulfillment_state' : ended.refusal.code).toBe('fulfillment_state')
    expect(await at.stateOf(one)).toBe(ended.ok ? 'withdrawn' : 'sealed')
    expect(await at.reservedFor(one.reship)).toBe(ended.ok ? 0 : 5)
  }
  expect(await at.broken()).toEqual([])
})

test('only an approved reship is ended', async () => {
  expect(await end('rsh_none')).toMatchObject(code('reship_unknown'))
  const one = await reshipped()
  expect(await end(one.reship)).toMatchObject({ ok: true })
  const again = await requestReship(house.context, {
    fulfillment: one.id,
    actor: 'person:ada',
    reason: 'lost',
    evidence: 'none',
  })
  expect(again).toMatchObject(code('fulfillment_state'))
})

import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId, orThrow } from '#kernel/index.ts'
import { sealBatch } from '../seal/seal-batch.ts'
import { openWarehouse, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'
import { withdrawOrder } from './withdraw-order.ts'

let house: Warehouse
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true })
})
afterAll(() => house.stop())

const seal = () => sealBatch(house.context, 'shipco', house.deps)
const withdraw = async (orderId: string, id = newId('cxl'), revision = 1) =>
  orThrow(await withdrawOrder(house.context, { id, orderId, revision, kind: 'cancel' })).kind
const statesOf = async (order: string) => {
  const rows = await house.query(
    `select state from fulfillment.fulfillment_order where order_id = '${order}' order by revision`,
  )
  return rows.map((row) => row['state'])
}

test('an unsealed order is withdrawn, and the same withdrawal again says the same', async () => {
  await house.handOver(record('ord_w'), record('ord_wh', { verdict: 'hold' }))
  const id = newId('cxl')
  expect(await withdraw('ord_w', id)).toBe('withdrawn')
  expect(await withdraw('ord_w', id)).toBe('withdrawn')
  expect(await withdraw('ord_wh')).toBe('withdrawn')
  expect([await statesOf('ord_w'), await statesOf('ord_wh')]).toEqual([
    ['withdrawn'],
    ['withdrawn'],
  ])
  expect((await seal()).orders).toBe(0)
  const other = await withdrawOrder(house.context, {
    id,
    orderId: 'ord_wh',
    revision: 1,
    kind: 'cancel',
  })
  expect(other).toMatchObject({ ok: false, refusal: { code: 'handover_conflict' } })
})

test('a sealed order is asked back, once, and is not withdrawn before that is answered', async () => {
  await house.handOver(record('ord_ws'))
  await seal()
  const id = newId('cxl')
  expect(await withdraw('ord_ws', id)).toBe('recalling')
  expect(await withdraw('ord_ws', id)).toBe('recalling')
  expect(await statesOf('ord_ws')).toEqual(['sealed'])
  const wishes = `select cause, state from fulfillment.recall_line where order_id = 'ord_ws'`
  expect(await house.query(wishes)).toEqual([{ cause: 'cancel', state: 'requested' }])
  const tombstones = `select count(*)::int as n from fulfillment.withdrawal where order_id = 'ord_ws'`
  expect(await house.query(tombstones)).toEqual([{ n: 0 }])
})

test('what arrives after its withdrawal is born withdrawn; the next revision is not', async () => {
  expect(await withdraw('ord_early')).toBe('withdrawn')
  await house.handOver(record('ord_early'))
  expect(await statesOf('ord_early')).toEqual(['withdrawn'])
  const shipTo = { name: 'Ada', country: 'GB', street: 'New Road 1' }
  await house.handOver(record('ord_early', { revision: 2, decisionNumber: 2, shipTo }))
  expect(await statesOf('ord_early')).toEqual(['withdrawn', 'open'])
  await seal()
})

test('a withdrawal and the seal meet fifty times, and one of them has the order', async () => {
  const orders = Array.from({ length: 50 }, (_, index) => `ord_race_${index}`)
  const seen = new Set<string>()
  for (const [index, order] of orders.entries()) {
    await house.handOver(record(order))
    const first = index % 2 === 0 ? seal() : withdraw(order)
    const second = index % 2 === 0 ? withdraw(order) : seal()
    const outcomes = await Promise.all([first, second])
    const outcome = outcomes.find((one) => typeof one === 'string')
    const [state] = await statesOf(order)
    expect({ outcome, state }).toEqual({
      outcome,
      state: outcome === 'withdrawn' ? 'withdrawn' : 'sealed',
    })
    seen.add(String(outcome))
  }
  const claims = await house.query(
    `select f.state from fulfillment.line_claim l
       join fulfillment.fulfillment_order f on f.id = l.fulfillment_id
      where f.order_id like 'ord_race_%' and f.state <> 'sealed'`,
  )
  expect(claims).toEqual([])
})

test('a withdrawal and the arriving hand-over meet thirty times, and the order never opens', async () => {
  for (let index = 0; index < 30; index += 1) {
    const order = `ord_meet_${index}`
    await Promise.all(
      index % 2 === 0
        ? [house.handOver(record(order)), withdraw(order)]
        : [withdraw(order), house.handOver(record(order))],
    )
    expect(await statesOf(order)).toEqual(['withdrawn'])
  }
})

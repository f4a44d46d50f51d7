import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { newId, orThrow } from '#kernel/index.ts'
import { addLocation } from '#inventory/index.ts'
import { registerPartner } from '#partners/index.ts'
import { withTransaction } from '#platform/index.ts'
import { sealBatch } from '../seal/seal-batch.ts'
import { MASTER_KEY, openWarehouse, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'
import { decideOrder } from './decide-order.ts'
import type { DecisionWish } from './decide-order.ts'

let house: Warehouse
beforeAll(async () => {
  house = await openWarehouse()
  const url = 'https://other.example'
  const other = { id: 'other', url, locationId: 'loc-other', actor: 'test' }
  orThrow(await registerPartner(house.context, MASTER_KEY, other))
  await withTransaction(house.test.database, (tx) =>
    addLocation(tx, 'main', { id: 'loc-other', name: 'Other' }),
  )
})
afterAll(() => house.stop())

const seal = (partner = 'shipco') => sealBatch(house.context, partner, house.deps)
const ask = async (orderId: string, action: DecisionWish['action'], id = newId('rvd')) =>
  orThrow(await decideOrder(house.context, { id, orderId, revision: 1, action }))
const told = async (...of: Parameters<typeof ask>) => {
  const { kind, parts } = await ask(...of)
  return [kind, ...parts.map((one) => one.state)]
}
const statesOf = async (order: string) => {
  const rows = await house.query(
    `select state from fulfillment.fulfillment_order where order_id = '${order}'
      order by partner_id`,
  )
  return rows.map((row) => row['state'])
}
const TWO_PARTNERS = [
  {
    line: 1,
    sku: 'A',
    qty: 2,
    allocations: [
      { locationId: 'loc-other', qty: 1 },
      { locationId: 'loc-shipco', qty: 1 },
    ],
  },
]

test('a HOLD on what is open holds it at once, and the seal passes it by', async () => {
  await house.handOver(record('ord_open'))
  const id = newId('rvd')
  expect(await told('ord_open', 'hold', id)).toEqual(['stands', 'held'])
  expect(await told('ord_open', 'hold', id)).toEqual(['stands', 'held'])
  expect((await seal()).orders).toBe(0)
  const other = await decideOrder(house.context, {
    id,
    orderId: 'ord_other',
    revision: 1,
    action: 'hold',
  })
  expect(other).toMatchObject({ refusal: { code: 'handover_conflict' } })
})

test('a HOLD that comes before its order holds it when it arrives, until the decision does', async () => {
  const id = newId('rvd')
  expect(await told('ord_early', 'hold', id)).toEqual(['stands'])
  await house.handOver(record('ord_early'))
  expect(await statesOf('ord_early')).toEqual(['held'])
  // A CLEAR that overtakes the recorded HOLD opens nothing, and does once the HOLD has come.
  await house.handOver(record('ord_early', { decisionNumber: 3 }))
  expect(await statesOf('ord_early')).toEqual(['held'])
  await house.handOver(record('ord_early', { decisionNumber: 2, decisionId: id, verdict: 'hold' }))
  expect(await statesOf('ord_early')).toEqual(['open'])
  await seal()
})

test('a HOLD that was dropped lets the order go on, and a late question under its id holds nothing', async () => {
  await house.handOver(record('ord_drop'))
  const id = newId('rvd')
  expect(await told('ord_drop', 'hold', id)).toEqual(['stands', 'held'])
  expect(await told('ord_drop', 'drop', id)).toEqual(['dropped', 'open'])
  expect(await told('ord_drop', 'hold', id)).toEqual(['dropped', 'open'])
  const never = newId('rvd')
  expect(await told('ord_drop', 'drop', never)).toEqual(['dropped', 'open'])
  expect(await told('ord_drop', 'hold', never)).toEqual(['dropped', 'open'])
  expect((await seal()).orders).toBe(1)
})

test('a HOLD on what is sealed asks for it back; a CLEAR then is too late to decide', async () => {
  await house.handOver(record('ord_sealed'))
  await seal()
  expect(await told('ord_sealed', 'clear')).toEqual(['sealed', 'with_partner'])
  expect(await told('ord_sealed', 'hold')).toEqual(['stands', 'asked_back'])
  expect(await told('ord_sealed', 'clear')).toEqual(['sealed', 'asked_back'])
  const wishes = `select cause, state from fulfillment.recall_line where order_id = 'ord_sealed'`
  expect(await house.query(wishes)).toEqual([{ cause: 'hold', state: 'requested' }])
})

test('a CLEAR of what is not sealed stands, and changes nothing by itself', async () => {
  await house.handOver(record('ord_review', { verdict: 'hold' }))
  expect(await told('ord_review', 'clear')).toEqual(['stands', 'held'])
  expect(await statesOf('ord_review')).toEqual(['held'])
})

test('what has left has left: nothing is kept, and of an order in two parts the other is held', async () => {
  await house.handOver(record('ord_gone'), record('ord_part', { lines: TWO_PARTNERS }))
  const worker = await house.startWorker()
  await vi.waitFor(
    async () =>
      expect([await statesOf('ord_gone'), (await statesOf('ord_part'))[1]]).toEqual([
        ['shipped'],
        'shipped',
      ]),
    30_000,
  )
  await worker.stop()
  expect(await told('ord_gone', 'hold')).toEqual(['shipped', 'left'])
  expect(await told('ord_gone', 'clear')).toEqual(['shipped', 'left'])
  const kept = `select 1 from fulfillment.asked_decision where order_id = 'ord_gone'`
  expect(await house.query(kept)).toEqual([])
  const { kind, parts } = await ask('ord_part', 'hold')
  const of = (partner: string) => parts.find((one) => one.partnerId === partner)
  expect([kind, of('shipco')?.state, of('shipco')?.parcels]).toEqual(['stands', 'left', 1])
  expect(['held', 'asked_back']).toContain(of('other')?.state)
  expect(['sealed', 'shipped']).toContain((await ask('ord_part', 'clear')).kind)
})

test('a HOLD and the seal meet fifty times: held is never sealed', async () => {
  for (let index = 0; index < 50; index += 1) {
    const order = `ord_race_${index}`
    await house.handOver(record(order))
    const [first, second] =
      index % 2 === 0 ? [seal(), told(order, 'hold')] : [told(order, 'hold'), seal()]
    const answers = await Promise.all([first, second])
    const said = answers.find((one) => Array.isArray(one))
    const [state] = await statesOf(order)
    expect({ said, state }).toEqual(
      state === 'sealed'
        ? { said: ['stands', 'asked_back'], state }
        : { said: ['stands', 'held'], state: 'held' },
    )
  }
})

test('a question about rows that a stopped process has locked ends in a fault after 5 s', async () => {
  await house.handOver(record('ord_locked'))
  const client = await house.test.database.pool.connect()
  try {
    await client.query('begin')
    await client.query(
      `select 1 from fulfillment.fulfillment_order where order_id = 'ord_locked' for update`,
    )
    await expect(ask('ord_locked', 'hold')).rejects.toThrow('lock timeout')
  } finally {
    await client.query('rollback')
    client.release()
  }
  expect(await statesOf('ord_locked')).toEqual(['open'])
})

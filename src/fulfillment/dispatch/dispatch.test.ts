import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { openWarehouse, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'

let house: Warehouse
beforeAll(async () => {
  house = await openWarehouse()
})
afterAll(() => house.stop())

const stateOf = async (order: string): Promise<unknown> => {
  const rows = await house.query(
    `select state from fulfillment.fulfillment_order where order_id = '${order}'`,
  )
  return rows[0]?.['state']
}

test('a cleared order is shipped once, and its stock is issued', async () => {
  const worker = await house.startWorker()
  try {
    await house.handOver(record('ord_a'))
    await vi.waitFor(async () => expect(await stateOf('ord_a')).toBe('shipped'), 10_000)
    const ledger = await house.ledger()
    expect(ledger.map((row) => row.acceptances)).toEqual([1])
    expect(await house.query(`select kind, on_hand_delta from inventory.movement`)).toEqual([
      { kind: 'issue', on_hand_delta: -1 },
    ])
  } finally {
    await worker.stop()
  }
})

test('an order dispatched by fifty workers at once is one call to the partner', async () => {
  const before = (await house.ledger()).length
  await house.handOver(record('ord_fifty'))
  const { sealBatch } = await import('../seal/seal-batch.ts')
  const seals = await Promise.all(
    Array.from({ length: 50 }, () => sealBatch(house.context, 'shipco', house.deps)),
  )
  expect(seals.flatMap((one) => one.dispatches)).toHaveLength(1)
  const workers = await Promise.all(Array.from({ length: 5 }, () => house.startWorker()))
  try {
    await vi.waitFor(async () => expect(await stateOf('ord_fifty')).toBe('shipped'), 10_000)
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()))
  }
  const after = await house.ledger()
  expect(after).toHaveLength(before + 1)
  expect(new Set(after.map((row) => row.acceptances))).toEqual(new Set([1]))
})

import { afterAll, beforeAll, expect, test } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { pausePartner, resumePartner } from '#partners/index.ts'
import { openLane, openWarehouse, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'
import { sealBatch } from '../seal/seal-batch.ts'

let house: Warehouse
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true })
})
afterAll(() => house.stop())

test('without a handshake of its session, in a resumed lane or in a database that lost WAL, nothing is sealed', async () => {
  await house.handOver(record('o1'))
  const seal = (gate: { session: string; wal: number }) =>
    sealBatch(house.context, 'shipco', { ...house.deps, gate })
  const none = { dispatches: [], orders: 0, heldBack: 0 }
  expect(await seal({ session: 'another', wal: 0 })).toEqual(none)
  expect(await seal({ ...house.deps.gate, wal: Number.MAX_SAFE_INTEGER })).toEqual(none)
  const by = { partner: 'shipco', actor: 'person:ada', reason: 'a pause' }
  orThrow(await pausePartner(house.context, by))
  orThrow(await resumePartner(house.context, by))
  expect(await seal(house.deps.gate)).toEqual(none)
  await openLane(house.context, 'shipco')
  expect(await seal(house.deps.gate)).toMatchObject({ orders: 1 })
})

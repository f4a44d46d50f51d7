// A copy of yesterday is put back and nobody says so: what the workers do by themselves.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { startFulfillmentWorker } from '#fulfillment/index.ts'
import { partnerSecrets } from '#partners/index.ts'
import type { Context } from '#platform/index.ts'
import { copyDatabase } from '../../../tests/copy-database.ts'
import { MASTER_KEY, openWarehouse, record } from '../../fulfillment/warehouse.fixture.ts'
import type { Warehouse } from '../../fulfillment/warehouse.fixture.ts'
import { KEYS, opened } from '../../fulfillment/warehouse.fixture.ts'
import { receiveHandOver } from '../../fulfillment/receive/receive-hand-over.ts'
import { orThrow } from '#kernel/index.ts'

let house: Warehouse
const ends: (() => Promise<void>)[] = []
beforeEach(async () => {
  house = await openWarehouse({ isDeaf: true })
})
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
  await house.stop()
})

/** The database as it is now, to be put back later. */
async function backup(): Promise<() => Promise<Context>> {
  const copy = await copyDatabase(house.test)
  ends.push(copy.drop)
  return copy.open
}
const rowsOf = async (context: Context, text: string) =>
  (await context.database.pool.query<Record<string, unknown>>(text)).rows
const startOn = async (context: Context) => {
  const secrets = partnerSecrets(context, MASTER_KEY)
  const worker = await startFulfillmentWorker({ ...house.deps, context, secrets })
  ends.unshift(worker.stop)
  return worker
}
const handOver = async (context: Context, ...orders: readonly string[]) =>
  orThrow(await receiveHandOver(context, KEYS, opened(orders.map((id) => record(id)))))
const accepted = async (context: Context, count: number) =>
  vi.waitFor(
    async () =>
      expect(
        await rowsOf(
          context,
          `select 1 from fulfillment.fulfillment_order where state = 'accepted'`,
        ),
      ).toHaveLength(count),
    { timeout: 20_000 },
  )
const fenceOf = async (context: Context) =>
  (await rowsOf(context, 'select fence_epoch from platform.instance'))[0]?.['fence_epoch']

test('a copy that is put back sends nothing to a partner that holds what it has lost, and shuts every lane', async () => {
  const before = await startOn(house.context)
  await handOver(house.context, 'o1', 'o2')
  await accepted(house.context, 2)
  const restore = await backup()
  await handOver(house.context, 'o3')
  await accepted(house.context, 3)
  await before.stop()
  const ledger = await house.ledger()

  const restored = await restore()
  // The shop sends its order again: this database has never seen it.
  await handOver(restored, 'o3_again')
  await startOn(restored)
  await vi.waitFor(async () => expect(await fenceOf(restored)).toBe(2), { timeout: 20_000 })
  expect(
    await rowsOf(restored, `select actor, action from platform.audit where action = 'fence.raise'`),
  ).toEqual([{ actor: 'handshake', action: 'fence.raise' }])
  expect(
    await rowsOf(restored, `select kind, partner_id from cases."case" where state = 'open'`),
  ).toEqual([{ kind: 'database_restored', partner_id: 'shipco' }])
  expect(await house.ledger()).toEqual(ledger)
  expect(
    await rowsOf(
      restored,
      `select state from fulfillment.fulfillment_order where order_id = 'o3_again'`,
    ),
  ).toEqual([{ state: 'open' }])
})

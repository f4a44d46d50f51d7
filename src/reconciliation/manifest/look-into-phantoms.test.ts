import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { casesOfOrder, listCases, resolveCase } from '#cases/index.ts'
import type { Log } from '#platform/index.ts'
import { metrics } from '#telemetry/index.ts'
import { openWarehouse, record } from '../../fulfillment/warehouse.fixture.ts'
import type { Warehouse } from '../../fulfillment/warehouse.fixture.ts'
import { reconcileShipments } from './reconcile-shipments.ts'

const OURS = `hfd1-${'b'.repeat(32)}`
let warehouse: Warehouse
let before = 0
const logged: string[] = []
const keep = (_: object, message: string) => void logged.push(message)
const quiet = () => undefined
const log: Log = { debug: quiet, info: quiet, warn: keep, error: keep }
beforeEach(async () => {
  logged.length = 0
  warehouse = await openWarehouse({ isDeaf: true, log })
  before = await total()
})
afterEach(() => warehouse.stop())

async function total(): Promise<number> {
  const text = await metrics.registry.getSingleMetricAsString('webhook_duplicate_dispatches_total')
  return Number(/^webhook_duplicate_dispatches_total (\d+)$/m.exec(text)?.[1])
}
const counted = async () => (await total()) - before
const compare = async () =>
  orThrow(
    await reconcileShipments(warehouse.deps, {
      partner: 'shipco',
      cause: 'person',
      actor: 'cli:ada',
    }),
  )
const evidence = () =>
  warehouse.query('select dispatch_key, source, generation from fulfillment.acceptance_evidence')

/** An order that the partner accepted under a key, and that our books then have under another. */
async function phantom(): Promise<string> {
  await warehouse.handOver(record('o1'))
  const worker = await warehouse.startWorker()
  await vi.waitFor(
    async () => {
      const rows = await warehouse.query('select state from fulfillment.fulfillment_order')
      expect(rows).toEqual([{ state: 'accepted' }])
    },
    { timeout: 20_000 },
  )
  await worker.stop()
  const [row] = await warehouse.query('select key from fulfillment.dispatch')
  await warehouse.asOwner(`update fulfillment.dispatch set key = '${OURS}'`)
  return String(row?.['key'])
}

test('a phantom that holds an order which our books have as accepted is a second acceptance, counted once', async () => {
  const key = await phantom()
  expect(await compare()).toMatchObject({ counts: { phantom: 1 } })
  expect(await counted()).toBe(1)
  expect(await evidence()).toEqual([{ dispatch_key: key, source: 'manifest', generation: 1 }])
  expect(await casesOfOrder(warehouse.context.database, 'main', 'o1')).toMatchObject([
    { kind: 'double_ship', partner_id: 'shipco' },
  ])
  const told = `select data->>'our_key' as ours from platform.event where kind = 'double_ship_suspected'`
  expect(await warehouse.query(told)).toEqual([{ ours: OURS }])
  await Promise.all([compare(), compare()])
  expect(await counted()).toBe(1)
  expect(await warehouse.query(told)).toHaveLength(1)
  const page = 'page: a partner accepted an order that our books have by another dispatch'
  expect(logged.filter((message) => message === page)).toHaveLength(1)
})

test('an order that only waits with us is counted when it was accepted twice, not before', async () => {
  await phantom()
  const set = (state: string) =>
    warehouse.asOwner(`update fulfillment.fulfillment_order set state = '${state}'`)
  await set('sealed')
  await compare()
  expect([await counted(), await evidence()]).toEqual([0, []])
  await set('shipped')
  await compare()
  expect(await counted()).toBe(1)
})

test('a phantom that a restore shut the lane for is looked into as well', async () => {
  await phantom()
  await warehouse.asOwner('update platform.instance set fence_epoch = fence_epoch + 1')
  await compare()
  await compare()
  expect(await counted()).toBe(1)
})

test('a phantom that nobody can ask about shuts every lane, loudly, until it can be asked; it is counted once', async () => {
  await phantom()
  const lookUp = {
    match: { method: 'GET', path: '/holdfast/v1/dispatches/*' },
    fault: 'status',
    value: 500,
  }
  await warehouse.faults([lookUp])
  expect(await compare()).toMatchObject({ result: 'failed' })
  expect(await warehouse.query('select fence_epoch from platform.instance')).toEqual([
    { fence_epoch: 2 },
  ])
  expect(await counted()).toBe(0)
  await warehouse.faults([])
  await compare()
  expect(await counted()).toBe(1)
  const open = await listCases(warehouse.context.database, 'main', { state: 'open', limit: 10 })
  const about = open.find((one) => one.subject_id.startsWith('phantom:'))
  const wish = { case: about?.id ?? '', actor: 'person:ada', outcome: 'asked by telephone' }
  orThrow(await resolveCase(warehouse.context, wish))
  await compare()
  expect(await counted()).toBe(1)
})

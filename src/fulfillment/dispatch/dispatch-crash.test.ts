import { createServer } from 'node:http'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { newId } from '#kernel/index.ts'
import { listPartners } from '#partners/index.ts'
import { many, withTransaction } from '#platform/index.ts'
import { completeAll } from './complete-dispatch.ts'
import { laneDeps } from './lane-deps.ts'
import { claimDue } from './dispatch-statements.ts'
import type { FulfillmentWorker } from '../run-worker.ts'
import { sealBatch } from '../seal/seal-batch.ts'
import { sendDispatch } from './send-dispatch.ts'
import { flagsOf, openWarehouse, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'

let house: Warehouse
let worker: FulfillmentWorker | undefined
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true })
})
afterAll(() => house.stop())
afterEach(async () => {
  await worker?.stop()
  worker = undefined
  await house.asOwner(`update partners.partner set url = '${house.url}'`)
})

const stateOf = async (order: string) => {
  const rows = await house.query(
    `select d.state, d.attempt, d.key from fulfillment.fulfillment_order f
       join fulfillment.dispatch d on d.id = f.dispatch_id where f.order_id = '${order}'`,
  )
  return rows[0] ?? {}
}
const reaches = (order: string, state: string) =>
  vi.waitFor(async () => expect(await stateOf(order)).toMatchObject({ state }), 10_000)
const acceptances = async (order: string) => {
  const { key } = await stateOf(order)
  return (await house.ledger()).filter((row) => row.key === key).map((row) => row.acceptances)
}
const partner = async () => {
  const [one] = await listPartners(house.test.database, 'main')
  if (!one) throw new Error('no partner')
  return one
}

/** Commits the intent of the only due dispatch under a lease that has run out already. */
async function claimAndCrash(order: string) {
  await house.handOver(record(order))
  await sealBatch(house.context, 'shipco', house.deps)
  const token = newId('lse')
  const rows = await withTransaction(house.test.database, (tx) =>
    many(tx, claimDue, {
      merchant: 'main',
      partner: 'shipco',
      ...house.deps.gate,
      concurrency: 4,
      limit: 4,
      token,
      lease: -1,
    }),
  )
  const [dispatch] = rows
  if (!dispatch) throw new Error('nothing was due')
  const leasedAtMs = house.context.clock.monotonicMs()
  return { dispatch, lease: { token, leasedAtMs, leaseMs: 90_000 } }
}

test('a crash after the intent and before the send ends in one acceptance', async () => {
  await claimAndCrash('ord_before')
  worker = await house.startWorker()
  await reaches('ord_before', 'accepted')
  expect(await stateOf('ord_before')).toMatchObject({ attempt: 2 })
  expect(await acceptances('ord_before')).toEqual([1])
})

test('a crash after the answer and before its commit is found by look-up', async () => {
  const claimed = await claimAndCrash('ord_after')
  const unwritten = await sendDispatch(laneDeps(house.deps), await partner(), claimed)
  expect(unwritten).toMatchObject({ next: { state: 'accepted' } })
  worker = await house.startWorker()
  await reaches('ord_after', 'accepted')
  expect(await stateOf('ord_after')).toMatchObject({ attempt: 1 })
  expect(await acceptances('ord_after')).toEqual([1])
})

test('a zombie that wakes after its lease writes nothing', async () => {
  const claimed = await claimAndCrash('ord_zombie')
  worker = await house.startWorker()
  await reaches('ord_zombie', 'accepted')
  const late = await sendDispatch(laneDeps(house.deps), await partner(), claimed)
  const events = await house.query(`select count(*) from platform.event`)
  expect(await completeAll(house.context, [late])).toEqual([false])
  expect(await house.query(`select count(*) from platform.event`)).toEqual(events)
  expect(await acceptances('ord_zombie')).toEqual([1])
})

test('with too little of the lease left nothing is sent', async () => {
  const claimed = await claimAndCrash('ord_spent')
  const lease = { ...claimed.lease, leaseMs: house.deps.outbound.totalTimeoutMs }
  const unsent = await sendDispatch(laneDeps(house.deps), await partner(), { ...claimed, lease })
  expect(unsent).toMatchObject({ code: 'lease_spent', next: { state: 'queued' } })
  expect(await acceptances('ord_spent')).toEqual([])
})

const HURRY = `update fulfillment.dispatch set next_attempt_at = now()
  where state in ('queued', 'unknown')`

test('every attempt carries the same key and bytes, whatever flags and clock say', async () => {
  const seen: { key: unknown; id: unknown; body: string; timestamp: unknown }[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const isLookup = request.method === 'GET'
      if (!isLookup) {
        seen.push({
          key: request.headers['idempotency-key'],
          id: request.headers['webhook-id'],
          timestamp: request.headers['webhook-timestamp'],
          body: Buffer.concat(chunks).toString(),
        })
      }
      response.writeHead(isLookup ? 404 : 500).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  await house.asOwner(`update partners.partner set url = 'http://127.0.0.1:${port}'`)
  await house.handOver(record('ord_same'))
  const flags = [
    flagsOf(),
    flagsOf({ idempotency_key_format_v2: true, batch_retry_enabled: false }),
    flagsOf({ order_auto_approval_enabled: false, fulfillment_webhook_async: false }),
  ]
  const sent = () => seen.filter((one) => one.body.includes('rvd_ord_same_1'))
  for (const [index, switched] of flags.entries()) {
    const clock = { ...house.context.clock, nowMs: () => Date.now() + index * 25_000 }
    const context = { ...house.context, clock }
    const wanted = sent().length + 1
    worker = await house.startWorker({ flags: switched, context })
    await vi.waitFor(async () => {
      await house.asOwner(HURRY)
      expect(sent().length).toBeGreaterThanOrEqual(wanted)
    }, 10_000)
    await worker.stop()
    worker = undefined
  }
  server.close()
  server.closeAllConnections()
  const { key } = await stateOf('ord_same')
  const ours = seen.filter((one) => one.key === `"${String(key)}"`)
  expect(ours.length).toBeGreaterThanOrEqual(3)
  expect(new Set(ours.map((one) => `${String(one.id)} ${one.body}`)).size).toBe(1)
})

import { create } from '@bufbuild/protobuf'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { invariant, newId, orThrow } from '#kernel/index.ts'
import { HandoffService, internalToken, OrderIntakeService, sealHandOver } from '#wire/index.ts'
import { record } from '../../src/wire/record.fixture.ts'
import { SubmitOrdersRequestSchema } from '../../src/wire/gen/holdfast/orders/v1/intake_pb.js'
import { ReviewVerdict } from '../../src/wire/gen/holdfast/orders/v1/review_pb.js'
import { callStream, otherClient } from '../grpc-stream.ts'
import {
  holdfast,
  killEverything,
  newDataDir,
  removeDataDir,
  startPlatform,
  withPlatformDatabase,
} from './platform.ts'
import type { Platform } from './platform.ts'
import { readLedgers } from './river.ts'

const SKU = 'SAMPLE-MUG-RED'
const SCOPES = 'orders:submit,orders:read,fulfillment:read,fulfillment:operate'

let dataDir: string
let platform: Platform
let key: string
let orderId: string
let fulfillmentId: string
beforeAll(async () => {
  dataDir = await newDataDir()
  platform = await startPlatform(dataDir)
  const made = await holdfast(dataDir, ['api-keys', 'create', 'k', '--scopes', SCOPES, '--json'])
  key = JSON.parse(made.stdout).key
  orderId = await place('FR')
  fulfillmentId = await vi.waitFor(async () => {
    const one = await fulfillmentOf(orderId)
    invariant(one?.state === 'held', 'the order is held')
    return one.id
  }, 20_000)
})
afterAll(async () => {
  await killEverything(dataDir)
  await removeDataDir(dataDir)
})

async function call(method: string, path: string, body?: object, authorization = `Bearer ${key}`) {
  const response = await fetch(platform.httpUrl + path, {
    method,
    headers: {
      authorization,
      'idempotency-key': newId('key'),
      ...(body ? { 'content-type': 'application/json' } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  const text = await response.text()
  return { status: response.status, body: text ? JSON.parse(text) : {} }
}

async function place(country: string): Promise<string> {
  const order = { currency: 'GBP', customer: 'C-1', country, lines: [{ sku: SKU, qty: 1 }] }
  const { status, body } = await call('POST', '/store/orders', order)
  expect(status).toBe(201)
  return String(body.id)
}

type Listed = { readonly id: string; readonly order_id: string; readonly state: string }
const fulfillmentOf = async (order: string): Promise<Listed | undefined> => {
  const { body } = await call('GET', '/admin/fulfillment-orders?limit=200')
  return body.items.find((one: Listed) => one.order_id === order)
}
const stateNow = async (): Promise<string> =>
  String((await call('GET', `/admin/fulfillment-orders/${fulfillmentId}`)).body.state)

describe('a held order is refused by every path', () => {
  test('HTTP: its hold needs a decision, and a decision needs the right to decide', async () => {
    const { body } = await call('GET', `/admin/fulfillment-orders/${fulfillmentId}`)
    const hold = `/admin/fulfillment-orders/${fulfillmentId}/holds/${String(body.holds[0].id)}`
    const lifted = await call('DELETE', `${hold}?reason=please`)
    expect(lifted).toMatchObject({ status: 409, body: { code: 'hold_needs_decision' } })
    const clear = { verdict: 'clear', reason: 'please' }
    const decisions = `/admin/orders/${orderId}/decisions`
    expect(await call('POST', decisions, clear)).toMatchObject({ status: 403 })
    expect(await call('POST', decisions, clear, 'Bearer none')).toMatchObject({ status: 401 })
  })

  test('gRPC: a CLEAR from outside clears nothing, and a hand-over without its proof neither', async () => {
    const url = /gRPC\s+(http\S+)/.exec(platform.said())?.[1] ?? ''
    const other = otherClient(url)
    const part = (value: Parameters<typeof create<typeof SubmitOrdersRequestSchema>>[1]) =>
      create(SubmitOrdersRequestSchema, value)
    const orders = [
      {
        orderId: 'held-by-grpc',
        currency: 'GBP',
        country: 'FR',
        customer: 'C-1',
        lines: [{ sku: SKU, qty: 1 }],
        reviewVerdict: ReviewVerdict.CLEAR,
      },
    ]
    const stream = [
      part({ part: { case: 'open', value: { streamId: 's' } } }),
      part({ part: { case: 'chunk', value: { number: 1, orders } } }),
      part({ part: { case: 'seal', value: { chunks: 1, orders: 1 } } }),
    ]
    const { submitOrders } = OrderIntakeService.method
    const sent = await callStream(other, submitOrders, stream, { authorization: `Bearer ${key}` })
    expect(sent.status).toBe(0)
    const listed = await call('GET', '/admin/orders?verdict=hold&limit=200')
    const held = listed.body.items.map((one: { reference: string }) => one.reference)
    expect(held).toContain('held-by-grpc')

    const allocations = [{ locationId: 'loc-shipco', qty: 1 }]
    const lines = [{ line: 1, sku: SKU, qty: 1, allocations }]
    const forged = record(1, { orderId, decisionId: 'rvd_forged', decisionNumber: 2, lines })
    const batch = { batchId: newId('hov'), merchant: 'main', provenance: 'prv' }
    const sealed = orThrow(sealHandOver({ ...batch, records: [forged] }))
    const { handOver } = HandoffService.method
    expect(await callStream(other, handOver, sealed.envelopes)).toMatchObject({ status: 16 })
    const token = internalToken(await readFile(join(dataDir, 'master.key')))
    const headers = { authorization: `Bearer ${token}` }
    const refused = await callStream(other, handOver, sealed.envelopes, headers)
    expect(refused).toMatchObject({ code: 'order_digest_mismatch' })
    expect(await stateNow()).toBe('held')
    other.close()
  })

  test('SQL: the runtime role can neither open it nor claim its lines', async () => {
    await withPlatformDatabase(dataDir, async ({ pool }) => {
      const open = `update fulfillment.fulfillment_order set state = 'open'`
      const where = `where id = '${fulfillmentId}'`
      await expect(pool.query(`${open} ${where}`)).rejects.toThrow('check constraint')
      const cleared = `, cleared_by = 'rvd_forged', cleared_verdict = 'clear', effective_at = now()`
      await expect(pool.query(`${open} ${cleared} ${where}`)).rejects.toThrow('foreign key')
      const claim = `insert into fulfillment.line_claim (merchant_id, fulfillment_id, generation,
          dispatch_id, order_id, decision_id, verdict)
        select 'main', $1, 1, id, $2, 'rvd_forged', 'clear' from fulfillment.dispatch limit 1`
      await expect(pool.query(claim, [fulfillmentId, orderId])).rejects.toThrow('foreign key')
    })
  })

  test('command line: the review cannot be switched off to let it through', async () => {
    const flag = 'order_hold_for_review_enabled'
    const set = await holdfast(dataDir, ['flags', 'set', flag, 'false', '--reason', 'please'])
    expect(set).toMatchObject({ code: 1 })
    expect(set.stderr).toContain('flag_refused')
  })

  test('worker and batch: what is clear goes past it, and no partner ever saw it', async () => {
    const clearId = await place('GB')
    await vi.waitFor(async () => {
      expect((await fulfillmentOf(clearId))?.state).toBe('shipped')
    }, 60_000)
    const ledgers = JSON.stringify(await readLedgers(platform.ledgers))
    expect(ledgers).not.toContain(fulfillmentId)
    expect(await stateNow()).toBe('held')
    expect(await holdfast(dataDir, ['verify'])).toMatchObject({ code: 0 })
  })
})

describe('a person who clears it', () => {
  test('is answered after the first attempt while fulfillment_webhook_async is off', async () => {
    const off = ['flags', 'set', 'fulfillment_webhook_async', 'off', '--reason', 'see it arrive']
    expect(await holdfast(dataDir, off)).toMatchObject({ code: 0 })
    const made = await holdfast(dataDir, [
      'api-keys',
      'create',
      'reviewer',
      '--scopes',
      'orders:decide',
      '--json',
    ])
    const reviewer = `Bearer ${String(JSON.parse(made.stdout).key)}`
    const clear = { verdict: 'clear', reason: 'the customer called' }
    const decided = await call('POST', `/admin/orders/${orderId}/decisions`, clear, reviewer)
    expect(decided.status).toBe(201)
    // It waits 15 s at most, ten of which a CLEAR can be undone: a slow machine may answer `pending`.
    expect(decided.body.first_attempt).toMatch(/^(attempted|pending)$/)
    const times = async (): Promise<number> =>
      (await readLedgers(platform.ledgers)).filter((row) => row.fulfillment_id === fulfillmentId)
        .length
    const seen = decided.body.first_attempt === 'attempted' ? await times() : 1
    expect(seen).toBe(1)
    await vi.waitFor(async () => expect(await times()).toBe(1), 60_000)
  })

  test('is told by the command line that what has shipped comes back as a return', async () => {
    await vi.waitFor(async () => expect(await stateNow()).toBe('shipped'), 60_000)
    const cancel = ['orders', 'cancel', orderId, '--reason', 'changed my mind']
    const { code, stderr } = await holdfast(dataDir, cancel)
    expect({ code, said: stderr.split(':')[0] }).toEqual({ code: 1, said: 'order_shipped' })
  })
})

import { create } from '@bufbuild/protobuf'
import { createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import type { Client } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { newId, orThrow } from '#kernel/index.ts'
import { handOverService } from '#fulfillment/index.ts'
import { fulfillmentClient, intakeService, startOrdersWorker } from '#orders/index.ts'
import { registerPartner } from '#partners/index.ts'
import { startGrpcServer } from '#platform/grpc/index.ts'
import type { GrpcServer } from '#platform/grpc/index.ts'
import {
  checkReceipt,
  HandoffService,
  internalToken,
  MESSAGE_BYTES_MAX,
  OrderIntakeService,
  ownLimits,
  sealHandOver,
} from '#wire/index.ts'
import { record } from '../../src/fulfillment/warehouse.fixture.ts'
import { SubmitOrdersRequestSchema } from '../../src/wire/gen/holdfast/orders/v1/intake_pb.js'
import type { SubmitOrdersRequest } from '../../src/wire/gen/holdfast/orders/v1/intake_pb.js'
import { createTestContext, createTestDatabase } from '../database.ts'
import type { TestDatabase } from '../database.ts'
import { callStream, callStreamOfBytes, callUnary, endOf, otherClient } from '../grpc-stream.ts'
import {
  anOrder,
  aRequest,
  stockShop,
  TEST_MASTER_KEY,
  testPlacing,
  testReviewKeys,
} from '../shop.ts'

let db: TestDatabase
let server: GrpcServer
let other: Client
let placing: ReturnType<typeof testPlacing>
let start: (messageBytesMax: number) => Promise<GrpcServer>
beforeAll(async () => {
  db = await createTestDatabase({ connectionsMax: 20 })
  const context = await createTestContext(db.database)
  await stockShop(context, { A: 100_000 })
  orThrow(
    await registerPartner(context, TEST_MASTER_KEY, {
      id: 'shipco',
      url: 'https://shipco.example',
      actor: 'test',
    }),
  )
  placing = testPlacing(context)
  const intake = intakeService({
    placing,
    callerOf: (authorization) =>
      Promise.resolve(
        authorization === 'Bearer shop'
          ? { actor: 'key:shop', scopes: new Set(['orders:submit']) }
          : undefined,
      ),
  })
  start = (messageBytesMax) => {
    const deps = { context, masterKey: TEST_MASTER_KEY, reviewKeys: testReviewKeys }
    const receiver = handOverService({ ...deps, messageBytesMax })
    return startGrpcServer({
      services: [intake, (router) => void router.service(HandoffService, receiver)],
      host: '127.0.0.1',
      port: 0,
      messageBytesMax,
    })
  }
  server = await start(MESSAGE_BYTES_MAX)
  other = otherClient(server.url)
})
afterAll(async () => {
  other.close()
  await server.close()
  await db.drop()
})

const SHOP = { authorization: 'Bearer shop' }
const INTERNAL = { authorization: `Bearer ${internalToken(TEST_MASTER_KEY)}` }
const DATA_LOSS = 15
const RESOURCE_EXHAUSTED = 8
const INVALID_ARGUMENT = 3
const UNAUTHENTICATED = 16

const part = (value: SubmitOrdersRequest['part']) =>
  create(SubmitOrdersRequestSchema, { part: value })
function intakeStream(references: readonly string[], sku = 'A'): SubmitOrdersRequest[] {
  const orders = references.map((orderId) => ({
    orderId,
    currency: 'GBP',
    country: 'GB',
    customer: 'C-1',
    lines: [{ sku, qty: 1 }],
  }))
  return [
    create(SubmitOrdersRequestSchema, { part: { case: 'open', value: { streamId: 's' } } }),
    create(SubmitOrdersRequestSchema, { part: { case: 'chunk', value: { number: 1, orders } } }),
    create(SubmitOrdersRequestSchema, {
      part: { case: 'seal', value: { chunks: 1, orders: orders.length } },
    }),
  ]
}

async function* items<T>(all: readonly T[]): AsyncIterable<T> {
  yield* all
}

/** The same stream over our own client. */
async function overOurs(stream: readonly SubmitOrdersRequest[]) {
  const transport = createGrpcTransport({ baseUrl: server.url })
  const client = createClient(OrderIntakeService, transport)
  const answers = []
  for await (const answer of client.submitOrders(items(stream), { headers: SHOP }))
    answers.push(answer)
  return answers
}

describe('the intake, to a client on grpc-js', () => {
  const { submitOrders } = OrderIntakeService.method

  test('gives the receipts that our own client gets, order by order', async () => {
    const stream = intakeStream(['js-1', 'js-2'])
    const first = await callStream(other, submitOrders, stream, SHOP)
    expect(first).toMatchObject({ status: 0, answers: [{}, {}] })
    const again = await overOurs(stream)
    const receiptsOf = (answers: readonly (typeof again)[number][]) =>
      answers.flatMap((one) => (one.part.case === 'chunk' ? one.part.value.orders : []))
    const [theirs, ours] = [receiptsOf(first.answers), receiptsOf(again)]
    expect(theirs.map((one) => ({ ...one, known: true }))).toEqual(ours)
    expect(theirs.map((one) => one.known)).toEqual([false, false])
    expect(first.answers.at(-1)?.part.value).toMatchObject({ placed: 2, known: 0, refused: 0 })
  })

  test('refuses with the same codes', async () => {
    const whole = intakeStream(['js-3'])
    const chunk = part({ case: 'chunk', value: { ...chunkOf(whole), number: 7 } })
    const call = (stream: readonly SubmitOrdersRequest[], headers: Record<string, string> = SHOP) =>
      callStream(other, submitOrders, stream, headers)
    expect(await call(whole, {})).toMatchObject({
      status: UNAUTHENTICATED,
      code: 'unauthenticated',
    })
    expect(await call(whole.with(1, chunk))).toMatchObject({ code: 'envelope_sequence' })
    expect(await call(whole.slice(0, 2))).toMatchObject({
      status: DATA_LOSS,
      code: 'envelope_truncated',
    })
    const [, unknown] = (await call(intakeStream(['js-4'], 'NOPE'))).answers
    expect(unknown?.part.value).toMatchObject({ placed: 0, refused: 1 })
  })

  test('refuses a message above the limit of the server as exhausted', async () => {
    const giant = part({
      case: 'open',
      value: { ...openOf(), streamId: 'x'.repeat(MESSAGE_BYTES_MAX) },
    })
    expect(await callStream(other, submitOrders, [giant], SHOP)).toMatchObject({
      status: RESOURCE_EXHAUSTED,
    })
  })
})

type PartOf<C> = Extract<SubmitOrdersRequest['part'], { case: C }>
function chunkOf(stream: readonly SubmitOrdersRequest[]): PartOf<'chunk'>['value'] {
  const found = stream.map((one) => one.part).find((one) => one.case === 'chunk')
  if (!found) throw new Error('a stream has a chunk')
  return found.value
}
function openOf(): PartOf<'open'>['value'] {
  const [first] = intakeStream([])
  if (first?.part.case !== 'open') throw new Error('a stream is opened')
  return first.part.value
}

describe('the hand-over, from a client on grpc-js', () => {
  const { handOver, getLimits, withdraw } = HandoffService.method
  const seal = (id: string) =>
    orThrow(
      sealHandOver({
        batchId: newId('hov'),
        merchant: 'main',
        provenance: 'prv_test',
        records: [record(id), record(`${id}h`, { verdict: 'hold' })],
      }),
    )

  test('is receipted with what our own sender believes, and with the same receipt again', async () => {
    const sealed = seal('ord_js1')
    const first = await callStream(other, handOver, sealed.envelopes, INTERNAL)
    expect(first).toMatchObject({ status: 0, answers: [{}] })
    const [receipt] = first.answers
    expect(receipt && checkReceipt({ ...sealed, holds: 1 }, receipt)).toMatchObject({ ok: true })
    const again = await fulfillmentClient(server.url, TEST_MASTER_KEY).handOver(sealed)
    expect(again).toEqual({ ok: true, value: receipt })
  })

  test('is refused with the same codes', async () => {
    const { envelopes } = seal('ord_js2')
    const damaged = envelopes.map((one, index) =>
      index === 1 ? Object.assign({}, one, { payload: one.payload.slice(1) }) : one,
    )
    const call = (stream: typeof envelopes, headers: Record<string, string> = INTERNAL) =>
      callStream(other, handOver, stream, headers)
    expect(await call(damaged)).toMatchObject({ status: DATA_LOSS, code: 'envelope_length' })
    expect(await call(envelopes.slice(0, -1))).toMatchObject({ code: 'envelope_truncated' })
    expect(await call(envelopes, {})).toMatchObject({
      status: UNAUTHENTICATED,
      code: 'unauthenticated',
    })
  })

  test('may ask for the limits, and is told those of the server', async () => {
    const limits = await callUnary(other, getLimits, create(getLimits.input), INTERNAL)
    expect(limits).toEqual(ownLimits(MESSAGE_BYTES_MAX))
    const bare = callUnary(other, withdraw, create(withdraw.input), INTERNAL)
    expect(await bare.catch(endOf)).toEqual({ status: DATA_LOSS, code: 'payload_malformed' })
  })
})

test('bytes that are no message are the fault of their sender, in streams and in single calls', async () => {
  const { submitOrders } = OrderIntakeService.method
  const { handOver, getLimits } = HandoffService.method
  const garbage = Buffer.from('ffffffff0a', 'hex')
  const end = { status: INVALID_ARGUMENT, code: 'message_malformed' }
  expect(await callStreamOfBytes(other, submitOrders, [garbage], SHOP)).toMatchObject(end)
  expect(await callStreamOfBytes(other, handOver, [garbage], INTERNAL)).toMatchObject(end)
  expect(await callStreamOfBytes(other, getLimits, [garbage], INTERNAL)).toMatchObject(end)
})

test('a hand-over to a receiver of another message limit does not begin, and says why', async () => {
  const smaller = await start(MESSAGE_BYTES_MAX / 2)
  const refusals: string[] = []
  const client = fulfillmentClient(smaller.url, TEST_MASTER_KEY)
  await placing.place(aRequest(anOrder()))
  const waiting = async () =>
    (await db.database.pool.query(`select from orders.handover_outbox`)).rowCount
  const before = await waiting()
  const worker = startOrdersWorker(placing.deps, client, (code) => refusals.push(code))
  await vi.waitFor(() => expect(refusals.length).toBeGreaterThan(1), { timeout: 20_000 })
  await worker.stop()
  expect(new Set(refusals)).toEqual(new Set(['handover_limits_differ']))
  expect(await waiting()).toBe(before)
  const alike = fulfillmentClient(smaller.url, TEST_MASTER_KEY, MESSAGE_BYTES_MAX / 2)
  const second = startOrdersWorker(placing.deps, alike)
  await vi.waitFor(async () => expect(await waiting()).toBe(0), { timeout: 20_000 })
  await second.stop()
  await smaller.close()
})

import { create } from '@bufbuild/protobuf'
import { createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { handOverService } from '#fulfillment/index.ts'
import { fulfillmentClient, handOverOnce, importOrders, intakeService } from '#orders/index.ts'
import type { OrderPlacing } from '#orders/index.ts'
import { startGrpcServer } from '#platform/grpc/index.ts'
import type { GrpcServer } from '#platform/grpc/index.ts'
import {
  HandoffService,
  MESSAGE_BYTES_MAX,
  ORDER_LINES_MAX,
  OrderIntakeService,
} from '#wire/index.ts'
import { KEYS, MASTER_KEY, openWarehouse } from '../../src/fulfillment/warehouse.fixture.ts'
import type { Warehouse } from '../../src/fulfillment/warehouse.fixture.ts'
import { SubmitOrdersRequestSchema } from '../../src/wire/gen/holdfast/orders/v1/intake_pb.js'
import type { SubmitOrdersRequest } from '../../src/wire/gen/holdfast/orders/v1/intake_pb.js'
import { anOrder, aRequest, stockShop, testPlacing } from '../shop.ts'
import { tempFile } from '../temp-file.ts'
import { readLedgers } from './river.ts'

let house: Warehouse
let server: GrpcServer
let placing: OrderPlacing
beforeAll(async () => {
  house = await openWarehouse()
  placing = testPlacing(house.context)
  await stockShop(house.context, Object.fromEntries(SKUS.map((sku) => [sku, 3])))
  const caller = { actor: 'key:shop', scopes: new Set(['orders:submit'] as const) }
  server = await startGrpcServer({
    services: [
      intakeService({ placing, callerOf: () => Promise.resolve(caller) }),
      (router) =>
        void router.service(
          HandoffService,
          handOverService({ context: house.context, masterKey: MASTER_KEY, reviewKeys: KEYS }),
        ),
    ],
    host: '127.0.0.1',
    port: 0,
    messageBytesMax: MESSAGE_BYTES_MAX,
  })
})
afterAll(async () => {
  await server.close()
  await house.stop()
})

// The longest SKUs that intake takes, of as many lines as it takes.
const SKUS = Array.from({ length: ORDER_LINES_MAX }, (_, index) => `SKU-${index}`.padEnd(64, 'x'))
const LINES = SKUS.map((sku) => ({ sku, qty: 1, unit_price_minor: 1 }))
const input = (order_id: string) => anOrder({ order_id, lines: LINES })

async function* overGrpc(order_id: string): AsyncIterable<SubmitOrdersRequest> {
  const lines = LINES.map(({ sku, qty }) => ({ sku, qty, unitPriceMinor: 1n }))
  const order = { orderId: order_id, customer: 'c', country: 'GB', currency: 'GBP', lines }
  const chunk = { number: 1, orders: [order] }
  yield create(SubmitOrdersRequestSchema, { part: { case: 'open', value: { streamId: 's' } } })
  yield create(SubmitOrdersRequestSchema, { part: { case: 'chunk', value: chunk } })
  yield create(SubmitOrdersRequestSchema, {
    part: { case: 'seal', value: { chunks: 1, orders: 1 } },
  })
}

test('an order of 5,000 lines goes the whole way, by whichever door it came', async () => {
  const placed = await placing.place(aRequest(input('big-http')))
  expect(placed).toMatchObject({ kind: 'placed', order: { verdict: 'clear' } })
  const file = await tempFile(JSON.stringify(input('big-file')))
  expect(await importOrders(placing, file)).toMatchObject({ placed: 1, cleared: 1, bad: 0 })
  const intake = createClient(OrderIntakeService, createGrpcTransport({ baseUrl: server.url }))
  const receipts = []
  for await (const answer of intake.submitOrders(overGrpc('big-grpc'))) receipts.push(answer)
  expect(receipts.at(-1)?.part.value).toMatchObject({ placed: 1, refused: 0 })

  const { handOver } = fulfillmentClient(server.url, MASTER_KEY)
  while ((await handOverOnce(house.context, handOver)).records > 0);
  const worker = await house.startWorker()
  try {
    await vi.waitFor(async () => {
      const states = await house.query(
        `select distinct state from fulfillment.fulfillment_order order by 1`,
      )
      expect(states).toEqual([{ state: 'shipped' }])
    }, 240_000)
  } finally {
    await worker.stop()
  }
  const units = await house.query(
    `select count(*)::int as lines from inventory.movement where kind = 'issue'`,
  )
  expect(units).toEqual([{ lines: 3 * ORDER_LINES_MAX }])
  const ledger = await readLedgers([`${house.url}/ledger`])
  expect(ledger.map((row) => row.lines.length)).toEqual(Array(3).fill(ORDER_LINES_MAX))
})

test('an order that fits no sealed body is refused at every door, by name', async () => {
  const lines = SKUS.map((sku) => ({ sku, qty: 1_000_000, unit_price_minor: 1 }))
  const giant = { ...input('giant'), lines }
  const refusal = { code: 'order_too_large', field: 'lines' }
  expect(await placing.place(aRequest(giant))).toMatchObject({ kind: 'refused', refusal })
  // Once for a caller without a reference, who would be decided on from memory.
  const { order_id: _, ...anonymous } = giant
  expect(await placing.place(aRequest(anonymous))).toMatchObject({ kind: 'refused', refusal })
  const file = await importOrders(placing, await tempFile(JSON.stringify(giant)))
  expect(file).toMatchObject({ kind: 'refused', refusals: [{ ...refusal, line: 1 }] })
})

test('the largest order fits the body of the HTTP route', () => {
  const lines = SKUS.map((sku) => ({ sku, qty: 1_000_000, unit_price_minor: 1_000_000_000 }))
  expect(JSON.stringify({ ...input('r'.repeat(64)), lines }).length).toBeLessThan(1_048_576)
})

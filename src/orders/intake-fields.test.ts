import { create, equals, fromBinary, toBinary } from '@bufbuild/protobuf'
import { ConnectError, createClient, createRouterTransport } from '@connectrpc/connect'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { invariant, REFUSALS } from '#kernel/index.ts'
import { OrderIntakeService, submittedOrderDigest } from '#wire/index.ts'
import { createTestContext, createTestDatabase } from '../../tests/database.ts'
import type { TestDatabase } from '../../tests/database.ts'
import { stockShop, testPlacing } from '../../tests/shop.ts'
import {
  SubmitOrdersRequestSchema,
  SubmittedOrderSchema,
} from '../wire/gen/holdfast/orders/v1/intake_pb.js'
import type { SubmitOrdersRequest } from '../wire/gen/holdfast/orders/v1/intake_pb.js'
import { ReviewVerdict } from '../wire/gen/holdfast/orders/v1/review_pb.js'
import { criticalPaths, pathName, tamperingsOf } from '../wire/tamper.fixture.ts'
import { intakeService } from './intake.grpc.ts'

let db: TestDatabase
let client: ReturnType<typeof createClient<typeof OrderIntakeService>>
beforeAll(async () => {
  db = await createTestDatabase()
  const context = await createTestContext(db.database)
  await stockShop(context, { A: 100_000, B: 100_000 })
  const routes = intakeService({
    placing: testPlacing(context),
    callerOf: () => Promise.resolve({ actor: 'key:test', scopes: new Set(['orders:submit']) }),
  })
  client = createClient(OrderIntakeService, createRouterTransport(routes))
})
afterAll(() => db.drop())

/** Two orders that our own review clears, so that only their integrity stands in the way. */
function orderOf(reference: string, verdict = ReviewVerdict.UNSPECIFIED) {
  const order = create(SubmittedOrderSchema, {
    orderId: reference,
    placedAt: '2026-02-07T13:44:00Z',
    customer: 'C-1',
    country: 'GB',
    currency: 'GBP',
    lines: [
      { sku: 'A', qty: 2, unitPriceMinor: 500n },
      { sku: 'B', qty: 1, unitPriceMinor: 250n },
    ],
    charges: [{ code: 'POST', qty: 1, unitPriceMinor: 399n }],
    shipTo: {
      name: 'Ada',
      street: '1 High Street',
      city: 'London',
      region: 'Greater London',
      postalCode: 'N1 1AA',
      country: 'GB',
      phone: '+44 20 7946 0000',
      email: 'ada@example.com',
    },
    shipBy: '2026-02-10',
    reviewVerdict: verdict,
  })
  order.contentDigest = Uint8Array.from(submittedOrderDigest(order) ?? [])
  return order
}

function streamOf(name: string): readonly SubmitOrdersRequest[] {
  const orders = [orderOf(`${name}-1`, ReviewVerdict.HOLD), orderOf(`${name}-2`)]
  const parts: SubmitOrdersRequest['part'][] = [
    create(SubmitOrdersRequestSchema, {
      part: { case: 'open', value: { streamId: name, requiresDigests: true } },
    }).part,
    create(SubmitOrdersRequestSchema, { part: { case: 'chunk', value: { number: 1, orders } } })
      .part,
    create(SubmitOrdersRequestSchema, { part: { case: 'seal', value: { chunks: 1, orders: 2 } } })
      .part,
  ]
  return parts.map((part) => create(SubmitOrdersRequestSchema, { part }))
}

/** The refusals of a stream: its own, or those of its orders; none where all of it was placed. */
async function submit(stream: readonly SubmitOrdersRequest[]): Promise<readonly string[]> {
  const refusals: string[] = []
  try {
    for await (const { part } of client.submitOrders(items(stream))) {
      if (part.case !== 'chunk') continue
      refusals.push(...part.value.orders.map((one) => one.refusalCode).filter((code) => code))
    }
  } catch (fault) {
    refusals.push(ConnectError.from(fault).metadata.get('holdfast-code') ?? 'fault')
  }
  return refusals
}

async function* items<T>(all: readonly T[]): AsyncIterable<T> {
  yield* all
}

/** Everything of the placed orders of a stream that is not what was sent, and half of an order. */
async function wrongOrders(name: string): Promise<readonly unknown[]> {
  const rows = await db.database.pool.query(
    `select o.reference, d.verdict from orders."order" o
       left join orders.decision d on d.merchant_id = o.merchant_id and d.order_id = o.id
      where (o.reference like $1 or o.reference is null)
        and not (o.currency = 'GBP' and o.customer = 'C-1' and o.country = 'GB'
                 and o.ship_by = '2026-02-10T23:59:59Z' and o.promise_version is null
                 and o.goods_minor = 1250 and o.total_minor = 1649
                 and o.ship_to = $2::jsonb and o.lines = $3::jsonb and o.charges = $4::jsonb
                 and d.verdict = case when o.reference like '%-1' then 'hold' else 'clear' end)`,
    [`${name}%`, JSON.stringify(SHIP_TO), JSON.stringify(LINES), JSON.stringify(CHARGES)],
  )
  return rows.rows
}

const SHIP_TO = {
  name: 'Ada',
  street: '1 High Street',
  city: 'London',
  region: 'Greater London',
  postal_code: 'N1 1AA',
  country: 'GB',
  phone: '+44 20 7946 0000',
  email: 'ada@example.com',
}
const LINES = [
  { line: 1, sku: 'A', qty: 2, unit_price_minor: 500 },
  { line: 2, sku: 'B', qty: 1, unit_price_minor: 250 },
]
const CHARGES = [{ code: 'POST', qty: 1, unit_price_minor: 399 }]

const rows = criticalPaths(SubmitOrdersRequestSchema).map((path) => [pathName(path), path] as const)
let tamperings = 0

describe('a critical field of the intake', () => {
  test('belongs to a stream that is placed whole before', async () => {
    expect(await submit(streamOf('whole'))).toEqual([])
    expect(await wrongOrders('whole')).toEqual([])
    const { rowCount } = await db.database.pool.query(
      `select from orders."order" where reference like 'whole-%'`,
    )
    expect(rowCount).toBe(2)
  })

  test.each(rows)(
    '%s is refused where it is tampered with, and places no other order',
    async (label, path) => {
      const [part] = path
      const at = { open: 0, chunk: 1, seal: 2 }[part?.name ?? '']
      invariant(at !== undefined, 'a part is one of three')
      let noticed = 0
      for (const [index, one] of tamperingsOf(SubmitOrdersRequestSchema, path).entries()) {
        const name = `${label}.${index}`.slice(-60)
        const stream = streamOf(name)
        const sent = stream[at]
        invariant(sent, 'a stream has three parts')
        const got = decoded(one.apply(toBinary(SubmitOrdersRequestSchema, sent), 0))
        if (got && equals(SubmitOrdersRequestSchema, got, sent)) continue
        const refusals = await submit(got ? stream.with(at, got) : stream.slice(0, at))
        tamperings += 1
        expect({ how: one.name, wrong: await wrongOrders(name) }).toEqual({
          how: one.name,
          wrong: [],
        })
        expect({ how: one.name, refusals: refusals.length }).not.toEqual({
          how: one.name,
          refusals: 0,
        })
        expect(refusals.filter((code) => !Object.hasOwn(REFUSALS, code))).toEqual([])
        noticed += 1
      }
      expect(noticed).toBeGreaterThan(2)
    },
  )

  afterAll(() => {
    console.info(
      `${rows.length} critical fields of the intake, ${tamperings} tamperings, none silent`,
    )
  })
})

function decoded(bytes: Uint8Array): SubmitOrdersRequest | undefined {
  try {
    return fromBinary(SubmitOrdersRequestSchema, bytes)
  } catch {
    return undefined
  }
}

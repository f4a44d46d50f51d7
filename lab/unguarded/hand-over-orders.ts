import { createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { invariant, newId, orThrow } from '#kernel/index.ts'
import { INITIAL_RULES, review } from '#orders/index.ts'
import { HandoffService, MESSAGE_BYTES_MAX, sealHandOver } from '#wire/index.ts'
import type { HandOverRecord } from '#wire/index.ts'
import type { ShopOrder } from '../incident/make-shop.ts'
import type { Books } from './open-books.ts'

/**
 * Reviews the orders by the product's own rules and hands them over in large batches, as the system of
 * the report did: `hold_for_review` is field 47, true or absent, and a receipt is taken for granted.
 */
export async function handOverOrders(
  books: Books,
  orders: readonly ShopOrder[],
  path: { readonly url: string; readonly batchOrders: number },
): Promise<void> {
  const reviewed = orders.map((order) => ({ order, isHeld: isHeldByReview(order) }))
  await books.pool.query(
    `insert into lab.placed_order (number, held_by_review)
     select * from unnest($1::int[], $2::boolean[])`,
    [reviewed.map(({ order }) => order.number), reviewed.map(({ isHeld }) => isHeld)],
  )
  const client = createClient(
    HandoffService,
    createGrpcTransport({ baseUrl: path.url, writeMaxBytes: MESSAGE_BYTES_MAX }),
  )
  for (let at = 0; at < reviewed.length; at += path.batchOrders) {
    const records = reviewed.slice(at, at + path.batchOrders).map(toRecord)
    const batch = { batchId: newId('hov'), merchant: 'main', provenance: 'lab', records }
    const { envelopes } = orThrow(sealHandOver(batch))
    let receipts = 0
    for await (const _ of client.handOver(streamOf(envelopes))) receipts += 1
    invariant(receipts === 1, 'the other end answers each batch')
  }
}

function isHeldByReview(order: ShopOrder): boolean {
  const verdict = review(
    {
      goodsMinor: order.goodsMinor,
      quantityMax: Math.max(...order.lines.map(({ qty }) => qty)),
      customer: order.customer,
      country: order.country,
    },
    INITIAL_RULES,
    {
      submittedHold: false,
      heldBefore: false,
      approval: 'on',
    },
  )
  return verdict.kind === 'hold'
}

/** True is HOLD on the wire and false is nothing: what `optional bool hold_for_review = 47` was. */
function toRecord(reviewed: {
  readonly order: ShopOrder
  readonly isHeld: boolean
}): HandOverRecord {
  const { order, isHeld } = reviewed
  return {
    merchant: 'main',
    orderId: String(order.number),
    orderNumber: order.reference,
    revision: 1,
    identity: '',
    currency: 'GBP',
    lines: order.lines.map(({ sku, qty }, index) => ({
      line: index + 1,
      sku,
      qty,
      allocations: [],
    })),
    shipTo: { country: order.country },
    orderDigest: new Uint8Array(),
    decisionId: '',
    decisionNumber: 1,
    effectiveAtMs: 0,
    shipByMs: null,
    reasons: [],
    decidedBy: '',
    keyId: '',
    verdict: isHeld ? 'hold' : 'unspecified',
    approval: new Uint8Array(),
  }
}

async function* streamOf<T>(items: readonly T[]): AsyncIterable<T> {
  yield* items
}

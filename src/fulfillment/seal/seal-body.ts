import { z } from 'zod'
import { canonicalJson, invariant, sha256 } from '#kernel/index.ts'
import type { CanonicalValue } from '#kernel/index.ts'
import { idempotencyKey, orderKey } from '../idempotency-key.ts'

/** Fulfillment orders in one batch. */
export const BATCH_ORDERS_MAX = 100

/** One fulfillment order as it goes to the partner, cleared by a named decision. */
export type SealableOrder = {
  readonly fulfillmentId: string
  readonly generation: number
  readonly decisionId: string
  readonly shipTo: Readonly<Record<string, string>>
  readonly lines: readonly FulfillmentLine[]
  /** The promise, ISO 8601 in UTC, whole seconds; absent where the order has none. */
  readonly shipBy?: string
}

/** One line of a fulfillment order, as `fulfillment_order.lines` keeps it. */
export type FulfillmentLine = {
  readonly line_id: string
  readonly sku: string
  readonly qty: number
}

// An order is what this schema lets through, nothing more: canonical JSON would drop `undefined`.
const sealable = z.strictObject({
  fulfillmentId: z.string().regex(/^ful_[0-9a-z]{1,60}$/),
  generation: z.int().min(1),
  decisionId: z.string().min(1).max(128),
  shipTo: z.record(z.string(), z.string()),
  lines: z
    .array(
      z.strictObject({
        line_id: z.string().min(1).max(64),
        sku: z.string().min(1).max(128),
        qty: z.int().min(1),
      }),
    )
    .min(1),
  shipBy: z
    .string()
    .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    .optional(),
})

/** The promise of an order as it is sealed; without one the bytes are those of an earlier build. */
export function shipByMember(shipBy: { readonly toISOString: () => string } | null): {
  readonly shipBy?: string
} {
  return shipBy === null ? {} : { shipBy: `${shipBy.toISOString().slice(0, 19)}Z` }
}

/** True where an order has the shape of the seal; another one cannot be sent at all. */
export function isSealable(order: SealableOrder): boolean {
  return sealable.safeParse(order).success
}

/** The bytes that every attempt sends, and what identifies them. */
export type SealedBody = {
  readonly bytes: Buffer
  readonly key: string
  readonly contentSha256: Buffer
}

/** Builds the sealed body of HDP/1 §1.2 and §1.3 as RFC 8785 bytes. Pure: no clock, no flag. */
export function sealBody(plan: {
  readonly merchant: string
  readonly partner: string
  readonly batch: string
  readonly revision: number
  readonly sequence: number
  readonly orders: readonly SealableOrder[]
}): SealedBody {
  const { merchant, partner, batch, revision, sequence } = plan
  const contentSha256 = contentDigest(batch, plan.orders)
  const key = idempotencyKey({ merchant, partner, op: 'dispatch.create', batch, revision })
  const orders = []
  for (const order of byFulfillment(plan.orders)) {
    const { fulfillmentId: fulfillment, generation } = order
    const order_key = orderKey({ merchant, partner, fulfillment, generation })
    orders.push({ ...orderContent(order), order_key })
  }
  const body = {
    schema: 'holdfast.dispatch/1',
    type: 'dispatch.create',
    key,
    content_sha256: contentSha256.toString('hex'),
    batch,
    revision,
    supersedes: null,
    sequence,
    order_count: orders.length,
    orders,
  }
  return { bytes: Buffer.from(canonicalJson(body)), key, contentSha256 }
}

/** SHA-256 of the RFC 8785 text of {schema, type, batch, orders}, the orders without their keys. */
export function contentDigest(batch: string, orders: readonly SealableOrder[]): Buffer {
  const content = {
    schema: 'holdfast.dispatch/1',
    type: 'dispatch.create',
    batch,
    orders: byFulfillment(orders).map(orderContent),
  }
  return sha256(canonicalJson(content))
}

/** One order as content. `hold_for_review` is said, never left out; lines are sorted by line id. */
export function orderContent(order: SealableOrder): {
  readonly fulfillment_id: string
  readonly [key: string]: CanonicalValue
} {
  invariant(isSealable(order), `fulfillment order ${order.fulfillmentId} has the shape of the seal`)
  return {
    fulfillment_id: order.fulfillmentId,
    hold_for_review: false,
    review_decision_id: order.decisionId,
    ...(order.shipBy === undefined ? {} : { ship_by: order.shipBy }),
    ship_to: { ...order.shipTo },
    lines: order.lines
      .map(({ line_id, sku, qty }) => ({ line_id, sku, qty }))
      .toSorted((a, b) => Number(a.line_id) - Number(b.line_id) || compare(a.line_id, b.line_id)),
  }
}

const byFulfillment = (orders: readonly SealableOrder[]) =>
  orders.toSorted((a, b) => compare(a.fulfillmentId, b.fulfillmentId))

// By code unit, not by locale: the order of bytes must not depend on the machine.
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

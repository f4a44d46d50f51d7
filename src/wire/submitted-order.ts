import { accept, bytesEqual, canonicalJson, refuse, sha256 } from '#kernel/index.ts'
import type { CanonicalValue, Outcome, Refusal } from '#kernel/index.ts'
import type { SubmittedOrder } from './gen/holdfast/orders/v1/intake_pb.js'
import { ReviewVerdict } from './gen/holdfast/orders/v1/review_pb.js'

/**
 * Holds a submitted order to its own content digest. Refuses `order_digest_mismatch` where the two
 * differ, or where the stream requires a digest and the order has none. It notices damage on the
 * way; whoever encodes the order anew can make a new digest, so it vouches for nobody.
 */
export function checkSubmittedOrder(
  order: SubmittedOrder,
  isRequired: boolean,
): Outcome<void, Refusal<'order_digest_mismatch'>> {
  if (order.contentDigest.length === 0 && !isRequired) return accept(undefined)
  const digest = submittedOrderDigest(order)
  if (digest && bytesEqual(digest, order.contentDigest)) return accept(undefined)
  return refuse('order_digest_mismatch', 'The order is not the one that its digest was made of.', {
    field: 'content_digest',
  })
}

/**
 * SHA-256 of the RFC 8785 JSON of an order as `POST /store/orders` would take it: empty members left
 * out, `review_verdict` where it is said. 32 bytes; undefined where money is no safe integer.
 */
export function submittedOrderDigest(order: SubmittedOrder): Buffer | undefined {
  const prices = [
    ...order.lines.map((line) => line.unitPriceMinor ?? 0n),
    ...order.charges.map((charge) => charge.unitPriceMinor),
  ]
  if (prices.some((price) => !Number.isSafeInteger(Number(price)))) return undefined
  return sha256(canonicalJson(contentOf(order)))
}

const VERDICTS = new Map([
  [ReviewVerdict.HOLD, 'hold'],
  [ReviewVerdict.CLEAR, 'clear'],
])

function contentOf(order: SubmittedOrder): CanonicalValue {
  const to = order.shipTo
  return present({
    order_id: order.orderId,
    placed_at: order.placedAt,
    customer: order.customer,
    country: order.country,
    currency: order.currency,
    lines: order.lines.map((line) => ({
      sku: line.sku,
      qty: line.qty,
      ...(line.unitPriceMinor === undefined
        ? {}
        : { unit_price_minor: Number(line.unitPriceMinor) }),
    })),
    charges: order.charges.map((charge) => ({
      code: charge.code,
      qty: charge.qty,
      unit_price_minor: Number(charge.unitPriceMinor),
    })),
    ship_to:
      to &&
      present({
        name: to.name,
        street: to.street,
        city: to.city,
        region: to.region,
        postal_code: to.postalCode,
        country: to.country,
        phone: to.phone,
        email: to.email,
      }),
    ship_by: order.shipBy,
    review_verdict: VERDICTS.get(order.reviewVerdict),
  })
}

type Members = { readonly [name: string]: CanonicalValue | undefined }

// An empty string, list or object is what protobuf makes of an absent one.
function present(members: Members): { readonly [name: string]: CanonicalValue } {
  const kept: { [name: string]: CanonicalValue } = {}
  for (const [name, value] of Object.entries(members)) {
    const isEmpty =
      value === undefined || value === '' || (Array.isArray(value) && value.length === 0)
    if (!isEmpty) kept[name] = value
  }
  return kept
}

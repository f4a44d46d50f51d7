import { bytesEqual } from '#kernel/index.ts'
import { allocationsOf, orderDigest, pricesOf, verifyApproval } from '#wire/index.ts'
import type { RecordLine, ReviewKeys } from '#wire/index.ts'

/** A stored decision, as far as its certificate covers it. */
export type StoredDecision = {
  readonly order_id: string
  readonly number: number
  readonly id: string
  readonly order_digest: Buffer
  readonly key_id: string
  readonly approval: Buffer | null
  readonly effective_at: Date
}

/** A stored order, as far as a certificate covers it. */
export type StoredOrder = {
  readonly order_id: string
  readonly order_number: string
  readonly revision: number
  readonly currency: string
  readonly ship_to: Readonly<Record<string, string>>
  readonly lines: readonly RecordLine[]
  readonly ship_by: Date | null
  /** Null for an order of an earlier build. */
  readonly identity: string | null
}

/** True where a decision is a certified CLEAR of exactly this stored content. */
export type ApprovalCheck = (
  merchant: string,
  decision: StoredDecision,
  order: StoredOrder,
) => boolean

/**
 * The check of the seal. Digest and facts are computed again from the content that is about to ship, so a
 * row written by hand proves nothing, whichever table it is in.
 */
export function approvalCheck(keys: ReviewKeys): ApprovalCheck {
  return (merchant, decision, order) => {
    if (decision.approval === null) return false
    const digest = orderDigest({
      merchant,
      orderId: order.order_id,
      currency: order.currency,
      shipTo: order.ship_to,
      lines: order.lines.map(({ line, sku, qty }) => ({ lineId: String(line), sku, qty })),
    })
    if (!bytesEqual(digest, decision.order_digest)) return false
    const facts = {
      merchant,
      orderId: decision.order_id,
      orderDigest: digest,
      verdict: 'clear',
      decisionId: decision.id,
      decisionNumber: decision.number,
      effectiveAtMs: decision.effective_at.getTime(),
      orderNumber: order.order_number,
      revision: order.revision,
      allocations: allocationsOf(order.lines),
      shipByMs: order.ship_by?.getTime() ?? null,
      identity: order.identity ?? '',
      unitPrices: pricesOf(order.lines),
    } as const
    return verifyApproval(keys, decision.key_id, facts, decision.approval)
  }
}

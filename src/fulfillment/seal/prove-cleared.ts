import { bytesEqual } from '#kernel/index.ts'
import type { RowOf } from '#platform/index.ts'
import type { ApprovalCheck } from './approval-check.ts'
import type { newestDecisions } from '../fulfillment-statements.ts'
import { isSealable, shipByMember } from './seal-body.ts'
import type { SealableOrder } from './seal-body.ts'
import type { claimOpen, selectContent } from './seal-statements.ts'

type Claimed = RowOf<typeof claimOpen.row>
type Content = RowOf<typeof selectContent.row>
type Decision = RowOf<typeof newestDecisions.row>

/** A fulfillment order that must not be sealed, and why. */
export type RefusedOrder = {
  readonly id: string
  readonly orderId: string
  readonly code: 'approval_unproven' | 'dispatch_too_large' | 'order_unsealable'
  readonly why: string
}

/** Sorts claimed orders into those that may be sealed and those that are held back. Pure. */
export function proveCleared(
  claimed: readonly Claimed[],
  facts: {
    readonly merchant: string
    readonly contents: readonly Content[]
    readonly decisions: readonly Decision[]
    readonly isProven: ApprovalCheck
  },
): { readonly cleared: readonly SealableOrder[]; readonly refused: readonly RefusedOrder[] } {
  const contentOf = new Map(facts.contents.map((row) => [`${row.order_id} ${row.revision}`, row]))
  const decisionOf = new Map(facts.decisions.map((row) => [row.order_id, row]))
  const cleared: SealableOrder[] = []
  const refused: RefusedOrder[] = []
  for (const one of claimed) {
    const content = contentOf.get(`${one.order_id} ${one.revision}`)
    const decision = decisionOf.get(one.order_id)
    const isCleared =
      content !== undefined &&
      decision !== undefined &&
      stands(one, content, decision) &&
      facts.isProven(facts.merchant, decision, content)
    if (!isCleared) {
      const why = 'an open fulfillment order has no proven CLEAR: held back from the seal'
      refused.push({ id: one.id, orderId: one.order_id, code: 'approval_unproven', why })
      continue
    }
    const order = {
      fulfillmentId: one.id,
      generation: one.generation,
      decisionId: decision.id,
      shipTo: content.ship_to,
      lines: one.lines,
      ...shipByMember(content.ship_by),
    }
    if (isSealable(order)) {
      cleared.push(order)
      continue
    }
    const why = 'an order does not have the shape that partners take: held for a person'
    refused.push({ id: one.id, orderId: one.order_id, code: 'order_unsealable', why })
  }
  return { cleared, refused }
}

/** The newest decision is the clearing one, is about this very content, and is effective. */
function stands(one: Claimed, content: Content, decision: Decision): boolean {
  return (
    decision.verdict === 'clear' &&
    decision.id === one.cleared_by &&
    decision.revision === one.revision &&
    bytesEqual(decision.order_digest, content.order_digest) &&
    decision.effective_at <= content.now &&
    one.ship_by?.getTime() === content.ship_by?.getTime() &&
    isWithinOrder(one, content)
  )
}

/** Every line is one of the order that was decided on, with the units allocated to this location. */
function isWithinOrder(one: Claimed, content: Content): boolean {
  const byLine = new Map(content.lines.map((ordered) => [String(ordered.line), ordered]))
  return one.lines.every((line) => {
    const ordered = byLine.get(line.line_id)
    return (
      ordered?.sku === line.sku &&
      ordered.allocations.some(
        (given) => given.locationId === one.location_id && given.qty === line.qty,
      )
    )
  })
}

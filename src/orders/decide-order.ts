import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { appendAudit, appendEvents, transact } from '#platform/index.ts'
import { openAllocations } from '#inventory/index.ts'
import { lockOrder } from './order-lock.ts'
import type { PlacingDeps } from './place/place-orders.ts'
import { recordDecisions } from './record-decisions.ts'
import { currentRules } from './rule-set.ts'

/** A person's CLEAR waits this long before it can be sealed, so that a slip can be undone. */
export const UNDO_WINDOW_MS = 10_000

/** What was recorded; `effectiveAt` is when a CLEAR may first be sealed, ISO 8601 UTC. */
export type RecordedDecision = {
  readonly decisionId: string
  readonly number: number
  readonly verdict: 'hold' | 'clear'
  readonly effectiveAt: string
}

/**
 * Records a person's decision on an order. Refuses `order_unknown`, `order_closed`, and
 * `decision_refused` while a cancellation or address change is under way. Undoing a CLEAR is a HOLD.
 */
export async function decideOrder(
  deps: PlacingDeps,
  wish: { orderId: string; verdict: 'hold' | 'clear'; actor: string; reason: string },
): Promise<Outcome<RecordedDecision>> {
  const { context } = deps
  const provenance = await context.provenance()
  return transact(context.database, async (tx) => {
    const locked = await lockOrder(tx, context.merchant, wish.orderId)
    if (!locked.ok) return locked
    const order = locked.value
    if (order.state !== 'placed') return refuse('order_closed', `The order is ${order.state}.`)
    if (order.open_withdrawal)
      return refuse('decision_refused', `A change (${order.open_kind}) of the order is under way.`)
    const rules = await currentRules(tx, context.merchant)
    const allocations = await openAllocations(tx, context.merchant, [order.id])
    const number = order.last_number + 1
    const effectiveAtMs = order.now_ms + (wish.verdict === 'clear' ? UNDO_WINDOW_MS : 0)
    const [decisionId = ''] = await recordDecisions(
      tx,
      context.merchant,
      deps.reviewKey,
      [
        {
          orderId: order.id,
          orderNumber: order.order_number,
          allocations: allocations.get(order.id) ?? [],
          number,
          revision: order.revision,
          orderDigest: order.order_digest,
          shipByMs: order.ship_by?.getTime() ?? null,
          verdict:
            wish.verdict === 'clear' ? { kind: 'clear' } : { kind: 'hold', reasons: ['reviewer'] },
          effectiveAtMs,
          strata: { source: 'person', lines: order.lines.length },
        },
      ],
      {
        decidedBy: 'person',
        actor: wish.actor,
        note: wish.reason,
        ruleVersion: rules.version,
        flagSetVersion: provenance.flagSetVersion,
        provenanceId: provenance.id,
      },
    )
    const after = { verdict: wish.verdict, number, decision_id: decisionId }
    await appendEvents(tx, context.merchant, [
      {
        subjectId: order.id,
        kind: wish.verdict === 'clear' ? 'order.cleared' : 'order.held',
        data: after,
      },
    ])
    await appendAudit(tx, context.merchant, {
      actor: wish.actor,
      action: 'orders.decide',
      subjectId: order.id,
      reason: wish.reason,
      before: { verdict: order.last_verdict ?? 'unset', number: order.last_number },
      after,
    })
    return accept({
      decisionId,
      number,
      verdict: wish.verdict,
      effectiveAt: new Date(effectiveAtMs).toISOString(),
    })
  })
}

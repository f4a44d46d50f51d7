import { accept, invariant, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { appendAudit, appendEvents, change, withTransaction } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import { decidedAllocations } from './decided-allocations.ts'
import { settleWish, wishOf } from './decision-wish.ts'
import type { DecidedPart, DecisionAnswer, DecisionWish } from './decision-wish.ts'
import { lockOrder } from './order-lock.ts'
import type { LockedOrder } from './order-lock.ts'
import type { PlacingDeps } from './place/place-orders.ts'
import { recordDecisions } from './record-decisions.ts'
import { currentRules } from './rule-set.ts'

/** A person's CLEAR waits this long before it can be sealed, so that a slip can be undone. */
export const UNDO_WINDOW_MS = 10_000

type Under = { readonly id: string; readonly flagSetVersion: number }

/**
 * Records a wish that fulfillment let stand, with its event and audit row, once: whoever comes second is
 * answered the same. If the order changed while fulfillment was asked, nothing is recorded, and a HOLD is
 * taken back there too: `order_closed` or `decision_refused`.
 */
export async function recordWish(
  deps: PlacingDeps,
  wish: DecisionWish,
  parts: readonly DecidedPart[],
): Promise<Outcome<DecisionAnswer>> {
  const under = await deps.context.provenance()
  // A refusal is written down too, so that it is returned out of the transaction instead of ending it.
  return withTransaction(deps.context.database, (tx) => record(tx, { ...deps, under }, wish, parts))
}

async function record(
  tx: Transaction,
  deps: PlacingDeps & { readonly under: Under },
  wish: DecisionWish,
  parts: readonly DecidedPart[],
): Promise<Outcome<DecisionAnswer>> {
  const { merchant, id } = wish
  const locked = await lockOrder(tx, merchant, wish.orderId)
  invariant(locked.ok, 'a wish names an order that exists')
  const kept = await wishOf(tx, merchant, id)
  if (kept?.answer) return accept(kept.answer)
  if (kept?.state !== 'asked')
    return refuse('decision_refused', 'The decision was given up meanwhile; decide again.')
  const changed = changeOf(locked.value, wish)
  if (changed) {
    const state = wish.verdict === 'hold' ? 'dropping' : 'refused'
    await change(tx, settleWish, { merchant, id, before: 'asked', state, answer: null })
    return changed
  }
  const answer = await writeDecision(tx, deps, wish, locked.value, parts)
  const text = JSON.stringify(answer)
  await change(tx, settleWish, { merchant, id, before: 'asked', state: 'recorded', answer: text })
  return accept(answer)
}

function changeOf(order: LockedOrder, wish: DecisionWish): Outcome<never> | undefined {
  if (order.state !== 'placed') return refuse('order_closed', `The order is ${order.state}.`)
  if (order.open_withdrawal)
    return refuse('decision_refused', `A change (${order.open_kind}) of the order is under way.`)
  if (order.revision !== wish.revision)
    return refuse('decision_refused', 'The order changed meanwhile; look at it and decide again.')
  // A CLEAR is about what the person saw. A HOLD holds whatever was decided in between.
  if (wish.verdict === 'clear' && order.last_number !== wish.afterNumber)
    return refuse('decision_refused', 'The order was decided on meanwhile; look at it again.')
  return undefined
}

async function writeDecision(
  tx: Transaction,
  deps: PlacingDeps & { readonly under: Under },
  wish: DecisionWish,
  order: LockedOrder,
  parts: readonly DecidedPart[],
): Promise<DecisionAnswer> {
  const { merchant, verdict } = wish
  const rules = await currentRules(tx, merchant)
  const allocations = await decidedAllocations(tx, merchant, [order.id])
  const number = order.last_number + 1
  const effectiveAtMs = order.now_ms + (verdict === 'clear' ? UNDO_WINDOW_MS : 0)
  const decision = {
    id: wish.id,
    orderId: order.id,
    orderNumber: order.order_number,
    allocations: allocations.get(order.id) ?? [],
    identity: order.identity,
    lines: order.lines,
    number,
    revision: order.revision,
    orderDigest: order.order_digest,
    shipByMs: order.ship_by?.getTime() ?? null,
    verdict:
      verdict === 'clear'
        ? ({ kind: 'clear' } as const)
        : ({ kind: 'hold', reasons: ['reviewer'] } as const),
    effectiveAtMs,
    strata: { source: 'person', lines: order.lines.length },
  }
  await recordDecisions(tx, merchant, deps.reviewKey, [decision], {
    decidedBy: 'person',
    actor: wish.actor,
    note: wish.reason,
    ruleVersion: rules.version,
    flagSetVersion: deps.under.flagSetVersion,
    provenanceId: deps.under.id,
  })
  const outcome = outcomeOf(verdict, parts)
  const after = { verdict, number, decision_id: wish.id }
  const kind = verdict === 'clear' ? 'order.cleared' : 'order.held'
  await appendEvents(tx, merchant, [{ subjectId: order.id, kind, data: after }])
  await appendAudit(tx, merchant, {
    actor: wish.actor,
    action: 'orders.decide',
    subjectId: order.id,
    reason: wish.reason,
    before: { verdict: order.last_verdict ?? 'unset', number: order.last_number },
    after: { ...after, outcome },
  })
  const effective_at = new Date(effectiveAtMs).toISOString()
  return { decision_id: wish.id, number, verdict, effective_at, outcome, parts: [...parts] }
}

function outcomeOf(
  verdict: 'hold' | 'clear',
  parts: readonly DecidedPart[],
): DecisionAnswer['outcome'] {
  if (verdict === 'clear') return 'cleared'
  if (parts.some((one) => one.state === 'left' || one.parcels > 0)) return 'partly_shipped'
  return parts.every((one) => one.state === 'held' || one.state === 'ended') ? 'held' : 'recalling'
}

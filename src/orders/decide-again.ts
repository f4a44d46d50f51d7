import { bytesEqual } from '#kernel/index.ts'
import { appendEvents, change, many, statement, withTransaction } from '#platform/index.ts'
import type { RowOf, Transaction } from '#platform/index.ts'
import { count } from '#telemetry/index.ts'
import { decidedAllocations } from './decided-allocations.ts'
import { digestOf, lockOrder } from './order-lock.ts'
import type { LockedOrder } from './order-lock.ts'
import { decidedUnder } from './place/decided-under.ts'
import type { DecidedUnder } from './place/decided-under.ts'
import type { PlacingDeps } from './place/place-orders.ts'
import { recordDecisions } from './record-decisions.ts'
import type { NewDecision } from './record-decisions.ts'
import { review, UNREAD_REASONS } from './review.ts'
import { currentRules } from './rule-set.ts'
import type { RuleSet } from './rule-set.ts'

/** Orders a transaction. */
const BATCH_MAX = 50
/** Transactions a call, so that a long list leaves the worker to its other work. */
const BATCHES_MAX = 20

// An order with a change under way waits for its end: it may stay held after all.
const claimHolds = statement({
  name: 'orders.claim_unread_holds',
  params: { merchant: 'text', limit: 'int4' },
  row: { order_id: 'text', number: 'int4' },
  text: `
    select u.order_id, u.number from orders.unread_hold u
     where u.merchant_id = $merchant
       and not exists (select from orders.withdrawal w
                        where w.merchant_id = u.merchant_id and w.order_id = u.order_id
                          and w.state = 'requested')
     order by u.order_id, u.number
     limit $limit
       for update skip locked`,
})

// Run when the orders are locked, so that it sees whatever a person or a cancellation committed before. It takes
// only what nobody touched: placed, no change under way, and the newest decision is by rule, on this revision, for
// no other reason than these.
const takeUnread = statement({
  name: 'orders.take_unread_holds',
  params: { merchant: 'text', orders: 'text[]', unread: 'text[]' },
  row: { order_id: 'text', number: 'int4' },
  text: `
    select o.id as order_id, d.number
      from orders."order" o
     cross join lateral (select number, verdict, decided_by, reasons, revision from orders.decision
                          where merchant_id = o.merchant_id and order_id = o.id
                          order by number desc limit 1) d
     where o.merchant_id = $merchant and o.id = any($orders) and o.state = 'placed'
       and d.verdict = 'hold' and d.decided_by = 'rules' and d.reasons <@ $unread
       and d.revision = o.revision
       and not exists (select from orders.withdrawal w
                        where w.merchant_id = o.merchant_id and w.order_id = o.id
                          and w.state = 'requested')
     order by o.id`,
})

// What was decided again, and what a person or a cancellation settled in another way; what somebody asks back now
// is looked at again when that has ended.
const clearHolds = statement({
  name: 'orders.clear_unread_holds',
  params: { merchant: 'text', orders: 'text[]', numbers: 'int4[]' },
  text: `
    delete from orders.unread_hold u
     using (select unnest($orders) as order_id, unnest($numbers) as number) as a
     where u.merchant_id = $merchant and u.order_id = a.order_id and u.number = a.number
       and not exists (select from orders.withdrawal w
                        where w.merchant_id = u.merchant_id and w.order_id = u.order_id
                          and w.state = 'requested')`,
})

/**
 * Decides orders again that are held only because rules or flags could not be read, once both can be: a new
 * decision by rule, under the rules and flags of now, with a certificate where it clears. An order that a person
 * decided, or that somebody asks back, is left alone. Returns how many it decided; 1,000 at most.
 */
export async function decideAgain(deps: PlacingDeps): Promise<number> {
  let decided = 0
  for (let batch = 0; batch < BATCHES_MAX; batch += 1) {
    const under = await decidedUnder(deps)
    if (under.approval !== 'on' && under.approval !== 'off') return decided
    const done = await withTransaction(deps.context.database, (tx) => decideBatch(tx, deps, under))
    decided += done.decided.length
    countVerdicts(done.decided)
    if (done.claimed < BATCH_MAX) return decided
  }
  return decided
}

type Done = { readonly claimed: number; readonly decided: readonly NewDecision[] }
const NOTHING: Done = { claimed: 0, decided: [] }

async function decideBatch(tx: Transaction, deps: PlacingDeps, under: DecidedUnder): Promise<Done> {
  const { merchant, log } = deps.context
  const claimed = await many(tx, claimHolds, { merchant, limit: BATCH_MAX })
  if (claimed.length === 0) return NOTHING
  const rules = await currentRules(tx, merchant)
  if (rules.rules === 'unread') return NOTHING
  const ids = [...new Set(claimed.map((row) => row.order_id))].toSorted()
  const orders = await Promise.all(ids.map((id) => lockOrder(tx, merchant, id)))
  const locked = new Map(orders.flatMap((one) => (one.ok ? [[one.value.id, one.value]] : [])))
  const taken = await many(tx, takeUnread, { merchant, orders: ids, unread: UNREAD_REASONS })
  const allocations = await decidedAllocations(tx, merchant, ids)
  const decisions: NewDecision[] = []
  for (const row of taken) {
    const order = locked.get(row.order_id)
    if (!order || order.last_number !== row.number) continue
    if (!isAsDecided(merchant, order)) {
      log.error({ order_id: order.id }, 'an order is not what was decided on: it stays held')
      continue
    }
    const own = allocations.get(order.id) ?? []
    decisions.push({ ...decisionOf(order, rules, under), allocations: own })
  }
  await record(tx, deps, { decisions, rules, under })
  await change(tx, clearHolds, { merchant, ...namesOf(claimed) })
  return { claimed: claimed.length, decided: decisions }
}

// What is stored is what the digest of the last decision covers, or no rule may judge it.
function isAsDecided(merchant: string, order: LockedOrder): boolean {
  return bytesEqual(digestOf(merchant, order, order.ship_to), order.order_digest)
}

function decisionOf(
  order: LockedOrder,
  { rules, now_ms: effectiveAtMs }: RuleSet,
  { approval }: DecidedUnder,
): Omit<NewDecision, 'allocations'> {
  const quantityMax = order.lines.reduce((max, line) => Math.max(max, line.qty), 0)
  const { customer, country, goods_minor: goodsMinor } = order
  // A hold from outside and one from before an address change are reasons of their own: such an order was not taken.
  const verdict = review({ goodsMinor, quantityMax, customer, country }, rules, {
    submittedHold: false,
    heldBefore: false,
    approval,
  })
  return {
    orderId: order.id,
    orderNumber: order.order_number,
    number: order.last_number + 1,
    revision: order.revision,
    orderDigest: order.order_digest,
    shipByMs: order.ship_by?.getTime() ?? null,
    identity: order.identity,
    lines: order.lines,
    verdict,
    effectiveAtMs,
    strata: { source: 'decided_again', lines: order.lines.length },
  }
}

async function record(
  tx: Transaction,
  { context: { merchant }, reviewKey }: PlacingDeps,
  {
    decisions,
    rules,
    under,
  }: {
    readonly decisions: readonly NewDecision[]
    readonly rules: RuleSet
    readonly under: DecidedUnder
  },
): Promise<void> {
  if (decisions.length === 0) return
  const ids = await recordDecisions(tx, merchant, reviewKey, decisions, {
    decidedBy: 'rules',
    actor: 'service:orders',
    ruleVersion: rules.version,
    flagSetVersion: under.flagSetVersion,
    provenanceId: under.id,
  })
  await appendEvents(
    tx,
    merchant,
    decisions.map(({ orderId, number, verdict }, index) => ({
      subjectId: orderId,
      kind: 'order.decided_again',
      data: {
        verdict: verdict.kind,
        ...(verdict.kind === 'hold' ? { reasons: verdict.reasons } : {}),
        number,
        decision_id: ids[index] ?? '',
      },
    })),
  )
}

function namesOf(rows: readonly RowOf<typeof claimHolds.row>[]) {
  return { orders: rows.map((row) => row.order_id), numbers: rows.map((row) => row.number) }
}

function countVerdicts(decisions: readonly NewDecision[]): void {
  const cleared = decisions.filter(({ verdict }) => verdict.kind === 'clear')
  if (cleared.length > 0) count('order_auto_approved_total', {}, cleared.length)
  for (const { verdict } of decisions) {
    const reasons = verdict.kind === 'hold' ? verdict.reasons : []
    for (const reason of reasons) count('holdfast_rule_holds_total', { reason })
  }
}

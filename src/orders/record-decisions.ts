import { newId } from '#kernel/index.ts'
import { change, statement } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import { signApproval } from '#wire/index.ts'
import type { ReviewKey } from '#wire/index.ts'
import { isUnreadOnly } from './review.ts'
import type { DecidedAllocation } from './decided-allocations.ts'
import type { OrderLine } from './order-line.ts'
import type { Verdict } from './review.ts'

// With their place in the hand-over outbox, in one statement.
const insertDecisions = statement({
  name: 'orders.insert_decisions',
  params: {
    merchant: 'text',
    orders: 'text[]',
    numbers: 'int4[]',
    ids: 'text[]',
    verdicts: 'text[]',
    reasons: 'text[]',
    decided_by: 'text',
    actor: 'text',
    note: 'text?',
    rule_version: 'int4',
    flags: 'int8',
    revisions: 'int4[]',
    digests: 'bytea[]',
    key_id: 'text',
    approvals: 'bytea?[]',
    effective: 'int8[]',
    strata: 'text[]',
    allocations: 'text[]',
    provenance: 'text',
  },
  text: `
    with decided as (
      insert into orders.decision
        (merchant_id, order_id, number, id, verdict, reasons, decided_by, actor, note, rule_version,
         flag_set_version, revision, order_digest, key_id, approval, effective_at, strata, allocations,
         provenance_id)
      select $merchant, d.order_id, d.number, d.id, d.verdict,
             case when d.reasons = '' then '{}' else string_to_array(d.reasons, ',') end,
             $decided_by, $actor, $note, $rule_version, $flags, d.revision, d.digest, $key_id, d.approval,
             to_timestamp(d.effective / 1000.0), d.strata::jsonb, d.allocations::jsonb,
             $provenance
        from (select unnest($orders) as order_id, unnest($numbers) as number, unnest($ids) as id,
                     unnest($verdicts) as verdict, unnest($reasons) as reasons,
                     unnest($revisions) as revision, unnest($digests) as digest,
                     unnest($approvals) as approval, unnest($effective) as effective,
                     unnest($strata) as strata, unnest($allocations) as allocations) as d
    )
    insert into orders.handover_outbox (merchant_id, order_id, number)
    select $merchant, q.order_id, q.number
      from (select unnest($orders) as order_id, unnest($numbers) as number) as q`,
})

// Those that are to be decided again when rules and flags can be read.
const insertUnreadHolds = statement({
  name: 'orders.insert_unread_holds',
  params: { merchant: 'text', orders: 'text[]', numbers: 'int4[]' },
  text: `
    insert into orders.unread_hold (merchant_id, order_id, number)
    select $merchant, u.order_id, u.number
      from (select unnest($orders) as order_id, unnest($numbers) as number) as u`,
})

/** A decision about to be recorded; everything that its certificate covers. */
export type NewDecision = {
  /** The id that it was asked for under; a new one if absent. */
  readonly id?: string
  readonly orderId: string
  readonly number: number
  readonly revision: number
  readonly orderNumber: string
  readonly orderDigest: Buffer
  /** Where the units are reserved: the certificate covers it, and the hand-over is built from it. */
  readonly allocations: readonly DecidedAllocation[]
  /** The identity of the order; null for an order of an earlier build. */
  readonly identity: string | null
  readonly lines: readonly OrderLine[]
  /** The promise, milliseconds since the epoch; null for an order that has none. */
  readonly shipByMs: number | null
  readonly verdict: Verdict
  /** Milliseconds since the epoch, in database time. */
  readonly effectiveAtMs: number
  readonly strata: Readonly<Record<string, string | number>>
}

/** Who decided, with which rules, flags and build. */
export type DecisionAuthor = {
  readonly decidedBy: 'rules' | 'person'
  readonly actor: string
  readonly note?: string | undefined
  readonly ruleVersion: number
  readonly flagSetVersion: number
  readonly provenanceId: string
}

/**
 * Records decisions and puts them into the hand-over outbox. The certificate of a
 * decision is made here and nowhere else; the table refuses a CLEAR without one. A HOLD has one too, so that
 * what is forged on the way to fulfillment gives way to what was decided.
 */
export async function recordDecisions(
  tx: Transaction,
  merchant: string,
  reviewKey: ReviewKey,
  decisions: readonly NewDecision[],
  author: DecisionAuthor,
): Promise<readonly string[]> {
  const ids = decisions.map((one) => one.id ?? newId('rvd'))
  const unread = decisions.filter(
    ({ verdict }) => verdict.kind === 'hold' && isUnreadOnly(verdict.reasons),
  )
  const written = change(tx, insertDecisions, {
    merchant,
    orders: decisions.map((one) => one.orderId),
    numbers: decisions.map((one) => one.number),
    ids,
    verdicts: decisions.map((one) => one.verdict.kind),
    reasons: decisions.map((one) =>
      one.verdict.kind === 'hold' ? one.verdict.reasons.join(',') : '',
    ),
    decided_by: author.decidedBy,
    actor: author.actor,
    note: author.note ?? null,
    rule_version: author.ruleVersion,
    flags: author.flagSetVersion,
    revisions: decisions.map((one) => one.revision),
    digests: decisions.map((one) => one.orderDigest),
    key_id: reviewKey.id,
    approvals: decisions.map((one, index) =>
      signApproval(reviewKey, {
        merchant,
        orderId: one.orderId,
        orderDigest: one.orderDigest,
        verdict: one.verdict.kind,
        decisionId: ids[index] ?? '',
        decisionNumber: one.number,
        effectiveAtMs: one.effectiveAtMs,
        orderNumber: one.orderNumber,
        revision: one.revision,
        shipByMs: one.shipByMs,
        allocations: one.allocations.map(({ lineNo: line, locationId, qty }) => ({
          line,
          locationId,
          qty,
        })),
        identity: one.identity ?? '',
        unitPrices: one.lines.map(({ line, unit_price_minor: unitPriceMinor }) => ({
          line,
          unitPriceMinor,
        })),
      }),
    ),
    effective: decisions.map((one) => one.effectiveAtMs),
    strata: decisions.map((one) => JSON.stringify(one.strata)),
    allocations: decisions.map(({ allocations }) =>
      JSON.stringify(allocations.map((one) => [one.lineNo, one.locationId, one.qty])),
    ),
    provenance: author.provenanceId,
  })
  // Sent together: a batch that is placed by memory sends its commit behind what was sent so far.
  const listed =
    unread.length > 0 && author.decidedBy === 'rules'
      ? change(tx, insertUnreadHolds, {
          merchant,
          orders: unread.map((one) => one.orderId),
          numbers: unread.map((one) => one.number),
        })
      : undefined
  await Promise.all([written, listed])
  return ids
}

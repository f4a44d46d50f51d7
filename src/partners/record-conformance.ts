import { accept, newId, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import {
  appendAudit,
  appendEvents,
  change,
  maybe,
  statement,
  withTransaction,
} from '#platform/index.ts'
import type { Context, Transaction } from '#platform/index.ts'
import { gradeAfterProbe } from './grade-after-probe.ts'
import { gradeOf } from './partner.ts'
import type { PartnerGrade } from './partner.ts'

/** Why a probe ran: a person asked, the first start of a sample partner, or the nightly canary. */
export type ProbeCause = 'operator' | 'start' | 'canary'

/** What a probe measured, with its evidence. */
export type ConformanceRecord = {
  readonly grade: PartnerGrade
  /** True where every check had an answer. */
  readonly isComplete: boolean
  /** Whether a key of an earlier probe was still known; undefined where there was none to ask for. */
  readonly isKeyKept: boolean | undefined
  readonly keyTtlS: number | null
  readonly processingDelayS: number
  readonly lookupLagMs: number | null
  readonly batch: string
  readonly checks: readonly object[]
}

/** The grades around a probe. */
export type RecordedGrade = { readonly before: PartnerGrade; readonly after: PartnerGrade }

const lockPartner = statement({
  name: 'partners.lock_partner_for_grade',
  params: { merchant: 'text', id: 'text' },
  row: { grade: 'text' },
  text: `
    select grade from partners.partner where merchant_id = $merchant and id = $id for update`,
})

const insertConformance = statement({
  name: 'partners.insert_conformance',
  params: {
    merchant: 'text',
    id: 'text',
    partner: 'text',
    cause: 'text',
    actor: 'text',
    batch: 'text',
    complete: 'bool',
    kept: 'bool?',
    before: 'text',
    measured: 'text',
    after: 'text',
    ttl: 'int4?',
    delay: 'int4',
    lag: 'int4?',
    checks: 'jsonb',
  },
  text: `
    insert into partners.conformance
      (merchant_id, id, partner_id, cause, actor, batch_id, is_complete, is_key_kept, grade_before,
       grade_measured, grade_after, key_ttl_s, processing_delay_s, lookup_lag_ms, checks)
    values ($merchant, $id, $partner, $cause, $actor, $batch, $complete, $kept, $before,
            $measured, $after, $ttl, $delay, $lag, $checks)`,
})

const setGrade = statement({
  name: 'partners.set_measured_grade',
  params: {
    merchant: 'text',
    id: 'text',
    grade: 'text',
    complete: 'bool',
    ttl: 'int4?',
    delay: 'int4',
    lag: 'int4?',
  },
  text: `
    update partners.partner
       set grade = $grade,
           key_ttl_s = case when $complete then $ttl else key_ttl_s end,
           processing_delay_s = case when $complete then $delay else processing_delay_s end,
           lookup_lag_ms = case when $complete then $lag else lookup_lag_ms end,
           graded_at = case when $complete then now() else graded_at end,
           probe_due_at = now() + case when $complete then interval '24 hours' else interval '1 hour' end
     where merchant_id = $merchant and id = $id`,
})

/**
 * Keeps a probe for ever and moves the partner's grade by it (`gradeAfterProbe`), with audit and
 * event `partner.graded` where a person asked or the grade changed. Refused: `partner_unknown`.
 */
export async function recordConformance(
  context: Context,
  input: {
    readonly partner: string
    readonly cause: ProbeCause
    readonly actor: string
    readonly measured: ConformanceRecord
  },
): Promise<Outcome<RecordedGrade>> {
  const { merchant } = context
  const { partner, cause, measured } = input
  return withTransaction(context.database, async (tx) => {
    const row = await maybe(tx, lockPartner, { merchant, id: partner })
    if (!row) return refuse('partner_unknown', `No partner ${partner}.`)
    const before = gradeOf(row.grade)
    const { isComplete, grade } = measured
    const mayRaise = cause !== 'canary'
    const after = gradeAfterProbe({ before, measured: grade, isComplete, mayRaise })
    const terms = {
      ttl: measured.keyTtlS,
      delay: measured.processingDelayS,
      lag: measured.lookupLagMs,
    }
    await change(tx, insertConformance, {
      merchant,
      id: newId('prb'),
      partner,
      cause,
      actor: input.actor,
      batch: measured.batch,
      complete: isComplete,
      kept: measured.isKeyKept ?? null,
      before,
      measured: grade,
      after,
      ...terms,
      checks: JSON.stringify(measured.checks),
    })
    await change(tx, setGrade, {
      merchant,
      id: partner,
      grade: after,
      complete: isComplete,
      ...terms,
    })
    if (after !== before || mayRaise) await tell(tx, merchant, { ...input, before, after })
    return accept({ before, after })
  })
}

async function tell(
  tx: Transaction,
  merchant: string,
  graded: {
    readonly partner: string
    readonly cause: ProbeCause
    readonly actor: string
    readonly measured: ConformanceRecord
    readonly before: PartnerGrade
    readonly after: PartnerGrade
  },
): Promise<void> {
  const { partner, cause, actor, before, after, measured } = graded
  const data = { grade: after, before, measured: measured.grade, cause }
  await appendEvents(tx, merchant, [{ subjectId: partner, kind: 'partner.graded', data }])
  await appendAudit(tx, merchant, {
    actor,
    action: 'partner.grade',
    subjectId: partner,
    reason: `probe (${cause})${measured.isComplete ? '' : ', incomplete'}`,
    before: { grade: before },
    after: data,
  })
}

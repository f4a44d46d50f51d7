import { newId, RefusedError } from '#kernel/index.ts'
import { appendAudit, appendEvents, many } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import { isSameContent } from './judge-record.ts'
import type { JudgedRecord, StoredContent, StoredDecision } from './judge-record.ts'
import { replaceUnprovenDecision, setAsideContent } from './receive-statements.ts'

/** The hand-over that brings the certified records. */
type Bringer = { readonly merchant: string; readonly handOver: string }

const ACTOR = 'hand-over'

/**
 * Sets unproven content aside if a certified record is about something else: what was forged on the way
 * may not stand in the way of what was decided. True if the content is gone and the record's may be
 * inserted. A person's hold on it, or anything proven, keeps it where it is.
 */
export async function makeRoom(
  tx: Transaction,
  by: Bringer,
  one: JudgedRecord,
  content: StoredContent,
): Promise<boolean> {
  if (!one.isProven || content.is_proven || isSameContent(one.record, content)) return false
  return setAside(tx, by, one.record.orderId, content.revision)
}

/** Puts a certified decision in the place of the unproven one under its number; audited. */
export async function replaceDecision(
  tx: Transaction,
  { merchant, handOver }: Bringer,
  one: JudgedRecord,
  old: StoredDecision,
): Promise<void> {
  const { record, verdict } = one
  const reasons = verdict.kind === 'hold' ? verdict.reasons : record.reasons
  const [done] = await many(tx, replaceUnprovenDecision, {
    merchant,
    aside: newId('asd'),
    order: record.orderId,
    number: record.decisionNumber,
    id: record.decisionId,
    verdict: verdict.kind,
    reasons,
    revision: record.revision,
    digest: record.orderDigest,
    key: record.keyId,
    approval: record.approval,
    effective: new Date(record.effectiveAtMs),
    handover: handOver,
  })
  if (done?.is_done !== true) {
    const detail = `Decision ${record.decisionNumber} of ${record.orderId} is another one here.`
    throw new RefusedError({ code: 'handover_conflict', detail, field: `records[${one.place}]` })
  }
  const before = { decision_id: old.id, verdict: old.verdict, reasons: old.reasons }
  const after = { decision_id: record.decisionId, verdict: verdict.kind, hand_over: handOver }
  await appendEvents(tx, merchant, [
    { subjectId: record.orderId, kind: 'handover.unproven_replaced', data: { before, after } },
  ])
  await appendAudit(tx, merchant, {
    actor: ACTOR,
    action: 'fulfillment.replace_unproven',
    subjectId: record.orderId,
    reason: 'a certified decision with the same number arrived',
    before,
    after,
  })
}

/** Sets unproven content aside; false if the database keeps it. */
export async function setAside(
  tx: Transaction,
  { merchant, handOver }: Bringer,
  order: string,
  revision: number,
): Promise<boolean> {
  const aside = newId('asd')
  const [done] = await many(tx, setAsideContent, {
    merchant,
    aside,
    order,
    revision,
    handover: handOver,
  })
  if (done?.is_done !== true) return false
  const after = { set_aside: aside, revision, hand_over: handOver }
  await appendEvents(tx, merchant, [
    { subjectId: order, kind: 'handover.unproven_set_aside', data: after },
  ])
  await appendAudit(tx, merchant, {
    actor: ACTOR,
    action: 'fulfillment.set_aside_unproven',
    subjectId: order,
    reason: 'certified content of the order arrived',
    after,
  })
  return true
}

import type { Partner, PartnerGrade } from '#partners/index.ts'

/** What the protocol may rely on with one partner (HDP/1 §1.12). Times are milliseconds. */
export type PartnerTerms = {
  readonly grade: PartnerGrade
  /** How long the partner keeps keys, from the first attempt; infinite for class A. */
  readonly keyTtlMs: number
  /** How long the partner may take until what it took is visible to a look-up. */
  readonly processingDelayMs: number
}

const HOUR_MS = 3_600_000
/** HDP/1 §1.12: a class B partner keeps keys for at least 24 h. */
const KEY_TTL_B_MS = 24 * HOUR_MS

type MeasuredTerms = Pick<Partner, 'keyTtlS' | 'processingDelayS' | 'lookupLagMs'>

/** The terms of a partner as its probe measured them. */
export function termsOf(partner: Pick<Partner, 'grade'> & Partial<MeasuredTerms>): PartnerTerms {
  const { grade, keyTtlS = null, processingDelayS = 0, lookupLagMs = null } = partner
  const keptMs = keyTtlS === null ? KEY_TTL_B_MS : keyTtlS * 1_000
  return {
    grade,
    keyTtlMs: grade === 'A' ? Number.POSITIVE_INFINITY : grade === 'B' ? keptMs : 0,
    processingDelayMs: Math.max(processingDelayS * 1_000, lookupLagMs ?? 0),
  }
}

/** True where the partner can be asked what became of a dispatch at all (classes A, B and C). */
export function canBeAsked({ grade }: Pick<PartnerTerms, 'grade'>): boolean {
  return grade !== 'D'
}

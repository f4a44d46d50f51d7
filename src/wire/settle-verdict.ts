import { verifyApproval } from './approval.ts'
import type { ReviewKeys } from './approval.ts'
import { approvalFacts } from './hand-over-record.ts'
import type { HandOverRecord } from './hand-over-record.ts'

/** What the receiver believes: clear only with a proven certificate, hold in every other case. */
export type SettledVerdict =
  | { readonly kind: 'clear' }
  | { readonly kind: 'hold'; readonly reasons: readonly [string, ...string[]] }

/**
 * Settles one record. HOLD holds with its reasons; UNSPECIFIED, which the manifest must have counted,
 * holds as `verdict_missing`; a CLEAR whose certificate does not verify holds as `approval_unproven`.
 */
export function settleVerdict(record: HandOverRecord, keys: ReviewKeys): SettledVerdict {
  if (record.verdict === 'unspecified') return { kind: 'hold', reasons: ['verdict_missing'] }
  if (record.verdict === 'hold') {
    const [first = 'verdict_missing', ...rest] = record.reasons
    return { kind: 'hold', reasons: [first, ...rest] }
  }
  return isProven(record, keys)
    ? { kind: 'clear' }
    : { kind: 'hold', reasons: ['approval_unproven'] }
}

/**
 * True if the certificate of a record proves that this decision, with this verdict, was made about exactly
 * this content. A HOLD of an older sender has no certificate: it holds all the same, unproven.
 */
export function isProven(record: HandOverRecord, keys: ReviewKeys): boolean {
  if (record.verdict === 'unspecified' || record.approval.length === 0) return false
  return verifyApproval(keys, record.keyId, approvalFacts(record), record.approval)
}

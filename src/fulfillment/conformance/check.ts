import type { PartnerGrade } from '#partners/index.ts'

/** What a probe looks at, in its order, and what a partner of grade A does. */
export const CHECKS = {
  bad_signature: '401 to a dispatch that another secret signed',
  unsigned_lookup: '401 to a look-up without a signature',
  cut_body: '400 to bytes that are not those of Content-Digest',
  held_order: '400 to an order that is on hold',
  no_effect: '404 for a key whose every dispatch was refused',
  echo: '201 with key, digest and every order',
  lookup: '200 for an accepted key, with its digest',
  read_your_writes: 'an acceptance is found by the very first look-up',
  same_key: 'the same bytes again: the same answer, Idempotent-Replayed: true',
  changed_body: '422 to other content under a known key',
  live_order: '409 order_key_live to an order that is live under another key',
  tombstone: 'a recall before the create, and 410 to the create',
  manifest: '200 with the list of acceptances',
  keys_for_ever: 'no Holdfast-Key-Ttl: keys are kept for ever',
  key_kept: 'the key of an earlier probe is still known',
} as const

/** The name of a check. */
export type CheckName = keyof typeof CHECKS

/** What came of a check. `no_answer` proves nothing; `skipped` had nothing to ask. */
export type CheckOutcome = 'passed' | 'failed' | 'no_answer' | 'skipped'

/** One check with its evidence. */
export type Check = {
  readonly name: CheckName
  readonly outcome: CheckOutcome
  readonly expected: string
  /** What was found: status and code, without bodies. */
  readonly found: string
}

/** What each grade needs (HDP/1 §1.12); D needs nothing. */
const NEEDS: Readonly<Record<Exclude<PartnerGrade, 'A' | 'D'>, readonly CheckName[]>> = {
  B: [
    'bad_signature',
    'unsigned_lookup',
    'cut_body',
    'held_order',
    'no_effect',
    'echo',
    'lookup',
    'same_key',
    'changed_body',
    'live_order',
    'key_kept',
  ],
  C: ['bad_signature', 'unsigned_lookup', 'no_effect', 'echo', 'lookup'],
}

/** HDP/1 §1.12: a class B partner keeps keys for at least 24 h. */
const KEY_TTL_B_MIN_S = 86_400

/**
 * The grade that checks prove. What had no answer counts as passed here, because an outage proves
 * nothing against a partner; the caller must not raise a grade by an incomplete probe.
 */
export function gradeOfChecks(checks: readonly Check[], keyTtlS: number | null): PartnerGrade {
  const failed = new Set(checks.filter((one) => one.outcome === 'failed').map((one) => one.name))
  if (failed.size === 0) return 'A'
  const isLongKept = keyTtlS === null || keyTtlS >= KEY_TTL_B_MIN_S
  if (isLongKept && NEEDS.B.every((name) => !failed.has(name))) return 'B'
  return NEEDS.C.every((name) => !failed.has(name)) ? 'C' : 'D'
}

import type { Random } from '#kernel/index.ts'
import type { PartnerGrade } from '#partners/index.ts'
import type { Classified, LookupClass } from './classify-response.ts'
import { lookupDelayMs, retryDelayMs } from './retry-delay.ts'

/** Where a dispatch goes next. `delayMs` counts from now in database time. */
export type NextState = {
  readonly state: 'accepted' | 'rejected' | 'queued' | 'unknown' | 'needs_operator' | 'quarantined'
  readonly delayMs: number
  /** Set where the endpoint itself is at fault: the partner is paused with this reason. */
  readonly pauseReason?: string
}

/** The next state after an attempt. `isRetryOn` is the flag `batch_retry_enabled`. */
export function nextAfterAttempt(
  seen: Classified,
  facts: {
    readonly attempt: number
    readonly isRetryOn: boolean
    readonly grade: PartnerGrade
    readonly random: Random
  },
): NextState {
  if (seen.kind === 'accepted') return settled(seen)
  if (seen.kind === 'blocked') return { state: 'queued', delayMs: 0, pauseReason: seen.code }
  if (seen.kind === 'no_effect' && facts.isRetryOn) {
    const delayMs = retryDelayMs(facts.attempt, facts.random, seen.retryAfterMs)
    return { state: 'queued', delayMs }
  }
  if (seen.kind === 'unknown' && isLookupTrusted(facts.grade)) {
    return { state: 'unknown', delayMs: Math.min(seen.retryAfterMs, LOOKUP_WAIT_MAX_MS) }
  }
  if (seen.kind === 'no_effect' || seen.kind === 'unknown') {
    return { state: 'needs_operator', delayMs: 0 }
  }
  // A wrong echo or a refusal of what we sent: our bug, or somebody in between.
  return { state: 'quarantined', delayMs: 0 }
}

const settled = (seen: { readonly accepted: readonly string[] }): NextState => ({
  state: seen.accepted.length > 0 ? 'accepted' : 'rejected',
  delayMs: 0,
})

/** The next state of an unknown dispatch after its partner was asked by key. */
export function nextAfterLookup(
  seen: LookupClass,
  facts: {
    readonly attempt: number
    readonly lastStatus: number | null
    readonly lastCode: string | null
    readonly grade: PartnerGrade
    readonly sinceFirstAttemptMs: number
    readonly unknownForMs: number
    readonly random: Random
  },
): NextState {
  if (seen.kind === 'found') return settled(seen)
  if (seen.kind === 'absent') return afterAbsence(facts)
  if (seen.kind === 'no_answer') {
    return { state: 'unknown', delayMs: lookupDelayMs(facts.unknownForMs, seen.retryAfterMs) }
  }
  return { state: 'quarantined', delayMs: 0 }
}

const HOUR_MS = 3_600_000
/** Class B keeps keys for at least 24 h: one hour of margin, HDP/1 §1.6.3. */
const RESEND_WITHIN_B_MS = 23 * HOUR_MS
const LOOKUP_WAIT_MAX_MS = 6 * HOUR_MS
const ATTEMPTS_UNKNOWN_MAX = 12
const CONFLICTS = new Set(['order_key_live', 'stale_revision'])

function afterAbsence(facts: Parameters<typeof nextAfterLookup>[1]): NextState {
  // The partner objects to the content or to the orders and yet does not know the key: a person looks.
  if (facts.lastStatus === 422 || CONFLICTS.has(facts.lastCode ?? '')) {
    return { state: 'quarantined', delayMs: 0 }
  }
  const isKeyKept =
    facts.grade === 'A' || (facts.grade === 'B' && facts.sinceFirstAttemptMs < RESEND_WITHIN_B_MS)
  if (!isKeyKept || facts.attempt >= ATTEMPTS_UNKNOWN_MAX) {
    return { state: 'needs_operator', delayMs: 0 }
  }
  // The first resend goes at once; a partner that forgets again and again is asked ever less often.
  const delayMs = facts.attempt <= 1 ? 0 : retryDelayMs(facts.attempt - 1, facts.random)
  return { state: 'queued', delayMs }
}

/** True where an answer by key is proof (classes A and B). */
export function isLookupTrusted(grade: PartnerGrade): boolean {
  return grade === 'A' || grade === 'B'
}

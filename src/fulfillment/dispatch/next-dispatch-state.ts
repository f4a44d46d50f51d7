import type { Random } from '#kernel/index.ts'
import type { Classified, LookupClass } from './classify-response.ts'
import type { DispatchTiming } from './dispatch-timing.ts'
import { canBeAsked } from './partner-terms.ts'
import type { PartnerTerms } from './partner-terms.ts'
import { cappedRetryAfterMs, lookupDelayMs, retryDelayMs } from './retry-delay.ts'

/** Where a dispatch goes next. `delayMs` counts from now in database time. */
export type NextState = {
  readonly state: 'accepted' | 'rejected' | 'queued' | 'unknown' | 'needs_operator' | 'quarantined'
  readonly delayMs: number
  /** Set where the endpoint itself is at fault: the partner is paused with this reason. */
  readonly pauseReason?: string
  /** True where the partner said "not found" after the settle window: the first of two. */
  readonly isAbsent?: boolean
  /** Set where a rule stopped what would have been sent again. */
  readonly stoppedBy?: 'ship_by_near'
}

/**
 * Stops the lane where the partner's ledger went back: it had answered for `accepted` and now says
 * that the newest it ever saw is older (HDP/1 §3, row 19). What would have been sent again waits for
 * a person instead: the partner may have shipped what it forgot.
 */
export function withSequence(
  next: NextState,
  sequence: { readonly seen: number | undefined; readonly accepted: number },
): NextState {
  if (sequence.seen === undefined || sequence.seen >= sequence.accepted) return next
  const pauseReason = next.pauseReason ?? 'sequence_regressed'
  return next.state === 'queued' && next.pauseReason === undefined
    ? { state: 'needs_operator', delayMs: 0, pauseReason }
    : { ...next, pauseReason }
}

/** What the decision after an attempt rests on. `isRetryOn` is the flag `batch_retry_enabled`. */
export type AttemptFacts = {
  readonly attempt: number
  readonly isRetryOn: boolean
  readonly terms: PartnerTerms
  readonly timing: DispatchTiming
  readonly random: Random
}

/** The next state after an attempt. */
export function nextAfterAttempt(seen: Classified, facts: AttemptFacts): NextState {
  if (seen.kind === 'accepted') return settled(seen)
  if (seen.kind === 'blocked') return { state: 'queued', delayMs: 0, pauseReason: seen.code }
  if (seen.kind === 'no_effect' && facts.isRetryOn) {
    const delayMs = retryDelayMs(facts.attempt, facts.random, facts.timing, seen.retryAfterMs)
    return { state: 'queued', delayMs }
  }
  if (seen.kind === 'unknown' && canBeAsked(facts.terms)) {
    return { state: 'unknown', delayMs: cappedRetryAfterMs(seen.retryAfterMs) }
  }
  if (seen.kind === 'no_effect' || seen.kind === 'unknown') {
    return { state: 'needs_operator', delayMs: 0 }
  }
  // A wrong echo or a refusal of what we sent: our bug, or somebody in between.
  return { state: 'quarantined', delayMs: 0 }
}

/** The state of a dispatch whose lease ran out: whoever held it may have sent. Never queued. */
export function afterLostLease(terms: PartnerTerms): 'unknown' | 'needs_operator' {
  return canBeAsked(terms) ? 'unknown' : 'needs_operator'
}

const settled = (seen: { readonly accepted: readonly string[] }): NextState => ({
  state: seen.accepted.length > 0 ? 'accepted' : 'rejected',
  delayMs: 0,
})

/** What the decision after a look-up rests on. Ages are milliseconds of database time. */
export type LookupFacts = {
  readonly attempt: number
  readonly lastStatus: number | null
  readonly lastCode: string | null
  readonly sinceFirstAttemptMs: number
  /** Since the intent of the newest attempt. */
  readonly unknownForMs: number
  /** Since the first "not found" that counted; null where there was none. */
  readonly absentForMs: number | null
  /** True where lines of it are asked back: then it is not sent again. */
  readonly isAskedBack?: boolean
  readonly terms: PartnerTerms
  readonly timing: DispatchTiming
  readonly random: Random
}

/** The next state of an unknown dispatch after its partner was asked by key (HDP/1 §1.6). */
export function nextAfterLookup(seen: LookupClass, facts: LookupFacts): NextState {
  if (seen.kind === 'found') return settled(seen)
  if (seen.kind === 'absent') return afterAbsence(facts)
  if (seen.kind === 'no_answer') {
    const delayMs = lookupDelayMs(facts.unknownForMs, facts.timing, seen.retryAfterMs)
    return { state: 'unknown', delayMs, isAbsent: facts.absentForMs !== null }
  }
  return { state: 'quarantined', delayMs: 0 }
}

/** One hour of margin before a class B partner may forget a key, HDP/1 §1.6.3. */
const KEY_TTL_MARGIN_MS = 3_600_000
const ATTEMPTS_UNKNOWN_MAX = 12
const CONFLICTS = new Set(['order_key_live', 'stale_revision'])

function afterAbsence(facts: LookupFacts): NextState {
  // The partner objects to the content or to the orders and yet does not know the key: a person looks.
  if (facts.lastStatus === 422 || CONFLICTS.has(facts.lastCode ?? '')) {
    return { state: 'quarantined', delayMs: 0 }
  }
  // A stored 5xx that is replayed for ever (HDP/1 §1.4): the same key can never succeed.
  const isPoisoned = facts.lastCode === 'replayed_failure'
  if (isPoisoned || facts.attempt >= ATTEMPTS_UNKNOWN_MAX) return byHand()
  const { grade, keyTtlMs } = facts.terms
  // Absent, and to be recalled: only a tombstone could refuse what may still arrive.
  if (facts.isAskedBack === true && grade !== 'A') return byHand()
  if (grade === 'C') return afterAbsenceWithoutKeys(facts)
  const isKeyKept =
    grade === 'A' ||
    (grade === 'B' && facts.sinceFirstAttemptMs < Math.max(0, keyTtlMs - KEY_TTL_MARGIN_MS))
  return isKeyKept ? resend(facts) : byHand()
}

/**
 * Class C keeps no keys: "not found" counts only after the settle window, in which a request that is
 * still on its way lands, and only twice with a gap, because a look-up may lag.
 */
function afterAbsenceWithoutKeys(facts: LookupFacts): NextState {
  const { timing, terms, unknownForMs, absentForMs } = facts
  const settleMs =
    Math.max(2 * terms.processingDelayMs, timing.settleMs) + timing.sendBudgetMs + timing.leaseMs
  if (unknownForMs < settleMs) {
    const delayMs = Math.min(lookupDelayMs(unknownForMs, timing), settleMs - unknownForMs)
    return { state: 'unknown', delayMs }
  }
  if (absentForMs === null || absentForMs < timing.absenceGapMs) {
    const delayMs = timing.absenceGapMs - (absentForMs ?? 0)
    return { state: 'unknown', delayMs, isAbsent: true }
  }
  return resend(facts)
}

// The first resend goes at once; a partner that forgets again and again is asked ever less often.
function resend({ attempt, random, timing }: LookupFacts): NextState {
  const delayMs = attempt <= 1 ? 0 : retryDelayMs(attempt - 1, random, timing)
  return { state: 'queued', delayMs }
}

const byHand = (): NextState => ({ state: 'needs_operator', delayMs: 0 })

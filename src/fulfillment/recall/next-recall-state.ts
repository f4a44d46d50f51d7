import type { Random } from '#kernel/index.ts'
import type { DispatchTiming } from '../dispatch/dispatch-timing.ts'
import { retryDelayMs } from '../dispatch/retry-delay.ts'
import type { ClassifiedRecall } from './classify-recall.ts'

/** Where a recall goes next. `delayMs` counts from now in database time. */
export type NextRecall = {
  readonly state: 'answered' | 'queued' | 'unknown' | 'needs_operator' | 'quarantined'
  readonly delayMs: number
  /** Set where the endpoint itself is at fault: the partner is paused with this reason. */
  readonly pauseReason?: string
}

/** While we wait, goods leave: a recall is tried again at least this often, unless told to wait. */
const RETRY_MAX_MS = 10 * 60_000

/** What the decision rests on. */
export type RecallAttemptFacts = {
  readonly attempt: number
  readonly timing: Pick<DispatchTiming, 'retryMaxMs'>
  readonly random: Random
}

/**
 * The next state after an attempt. An unknown outcome is resolved by the same bytes again: grades A and
 * B answer a recall that they know with what they answered before.
 */
export function nextAfterRecall(seen: ClassifiedRecall, facts: RecallAttemptFacts): NextRecall {
  if (seen.kind === 'answered') return { state: 'answered', delayMs: 0 }
  if (seen.kind === 'no_effect' || seen.kind === 'unknown' || seen.kind === 'blocked') {
    const asked = seen.kind === 'blocked' ? 0 : seen.retryAfterMs
    const retryMaxMs = Math.min(facts.timing.retryMaxMs, RETRY_MAX_MS)
    const delayMs = retryDelayMs(facts.attempt, facts.random, { retryMaxMs }, asked)
    return {
      state: seen.kind === 'unknown' ? 'unknown' : 'queued',
      delayMs,
      ...(seen.kind === 'blocked' ? { pauseReason: seen.code } : {}),
    }
  }
  // It may still arrive, and nothing would refuse it: only a person can know.
  if (seen.kind === 'never_seen') return { state: 'needs_operator', delayMs: 0 }
  return { state: 'quarantined', delayMs: 0 }
}

/** Milliseconds until a partner that was still picking is asked again: longer each time. */
export function askAgainMs(asked: number, timing: Pick<DispatchTiming, 'lookupMaxMs'>): number {
  return Math.min(30_000 * 2 ** Math.min(asked, 16), timing.lookupMaxMs)
}

import type { Random } from '#kernel/index.ts'
import type { DispatchTiming } from './dispatch-timing.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
/** HDP/1 §1.6.6: the wait before attempt 1, 2, 3 and so on; the last one repeats. */
const SCHEDULE_MS = [
  0,
  5 * SECOND,
  30 * SECOND,
  2 * MINUTE,
  10 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  6 * HOUR,
  12 * HOUR,
]
const RETRY_AFTER_MAX_MS = 6 * HOUR

/**
 * Milliseconds to wait after the `attempt`-th attempt failed without effect: the schedule with ±25 %
 * jitter, or longer where the partner's `Retry-After` says so (honoured in full up to 6 h).
 */
export function retryDelayMs(
  attempt: number,
  random: Random,
  timing: Pick<DispatchTiming, 'retryMaxMs'>,
  retryAfterMs = 0,
): number {
  const listed = SCHEDULE_MS[Math.min(attempt, SCHEDULE_MS.length - 1)] ?? 12 * HOUR
  const planned = Math.min(listed, timing.retryMaxMs)
  const jittered = planned * (0.75 + random() * 0.5)
  return Math.round(Math.max(jittered, cappedRetryAfterMs(retryAfterMs)))
}

/** Milliseconds until an unknown outcome is looked up again: it backs off with its own age. */
export function lookupDelayMs(
  unknownForMs: number,
  timing: Pick<DispatchTiming, 'lookupMaxMs'>,
  retryAfterMs = 0,
): number {
  const backoff = Math.min(Math.max(unknownForMs / 2, SECOND), timing.lookupMaxMs)
  return Math.round(Math.max(backoff, cappedRetryAfterMs(retryAfterMs)))
}

/** What a partner asked for, at most 6 h of it. */
export function cappedRetryAfterMs(retryAfterMs: number): number {
  return Math.min(retryAfterMs, RETRY_AFTER_MAX_MS)
}

import type { Random } from '#kernel/index.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
/** The example schedule of Standard Webhooks 1.0.0: the waits after the first try, the second and so on. */
const SCHEDULE_MS = [
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
]
const RETRY_AFTER_MAX_MS = 24 * HOUR

/**
 * Tries before a delivery is given up: 123 hours by the schedule, at least 93 with all its jitter. That
 * is longer than `FAILING_MAX_MS`, so an endpoint that is down is paused before it loses anything.
 */
export const TRIES_MAX = 12

/** An endpoint that has failed for so long without one success is paused. */
export const FAILING_MAX_MS = 72 * HOUR
/** And not before so many failures in a row: a quiet shop may send little in three days. */
export const FAILURES_MIN = 10

/** From so many failures in a row on, an endpoint is asked by one request at a time, ever more slowly. */
export const PROBING_FAILURES = 5

/** Milliseconds until the next try: the schedule with ±25 % jitter, or longer where `Retry-After` says so. */
export function retryDelayMs(tries: number, random: Random, retryAfterMs = 0): number {
  const planned = SCHEDULE_MS[Math.min(tries, SCHEDULE_MS.length) - 1] ?? SECOND
  const jittered = planned * (0.75 + random() * 0.5)
  return Math.round(Math.max(jittered, Math.min(retryAfterMs, RETRY_AFTER_MAX_MS)))
}

/** Milliseconds of `Retry-After` (RFC 9110 §10.2.3: seconds or a date), at most a day; 0 without one. */
export function readRetryAfter(header: string | undefined, nowMs: number): number {
  if (header === undefined) return 0
  const text = header.trim()
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * SECOND : Date.parse(text) - nowMs
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), RETRY_AFTER_MAX_MS) : 0
}

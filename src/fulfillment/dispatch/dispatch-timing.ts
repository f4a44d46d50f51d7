import type { DispatchTimingName } from '#platform/index.ts'

/** The times of the dispatch protocol, in milliseconds (HDP/1 §1.3 and §1.6). */
export type DispatchTiming = {
  /** Longest possible request: name, connect, TLS, send, answer. */
  readonly sendBudgetMs: number
  /** How long a claimed dispatch is leased for; longer than the budget, or nothing is sent. */
  readonly leaseMs: number
  /** Shortest wait before a class C partner's "not found" may count. */
  readonly settleMs: number
  /** Shortest time between the two "not found" of class C. */
  readonly absenceGapMs: number
  /** Longest planned wait between two attempts; a partner's `Retry-After` may ask for more. */
  readonly retryMaxMs: number
  /** Longest planned wait between two look-ups of an unknown outcome. */
  readonly lookupMaxMs: number
  /** How long an open breaker waits before it probes. */
  readonly breakerMs: number
  /** True where a partner beyond loopback must not be called under these times. */
  readonly isLoopbackOnly: boolean
}

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/** The times of production. */
export const STANDARD_TIMING: DispatchTiming = {
  sendBudgetMs: 20 * SECOND,
  leaseMs: 90 * SECOND,
  settleMs: 30 * MINUTE,
  absenceGapMs: MINUTE,
  retryMaxMs: 12 * HOUR,
  lookupMaxMs: 10 * MINUTE,
  breakerMs: 15 * SECOND,
  isLoopbackOnly: false,
}

/** Times for crash tests and the lab: minutes instead of hours, and only partners on this machine. */
export const REHEARSAL_TIMING: DispatchTiming = {
  sendBudgetMs: 2 * SECOND,
  leaseMs: 5 * SECOND,
  settleMs: 10 * SECOND,
  absenceGapMs: 2 * SECOND,
  retryMaxMs: 15 * SECOND,
  lookupMaxMs: 5 * SECOND,
  breakerMs: SECOND,
  isLoopbackOnly: true,
}

/** The timings by the names that `HOLDFAST_DISPATCH_TIMING` takes. */
export const DISPATCH_TIMINGS: Readonly<Record<DispatchTimingName, DispatchTiming>> = {
  standard: STANDARD_TIMING,
  rehearsal: REHEARSAL_TIMING,
}

import type { NextState } from '../dispatch/next-dispatch-state.ts'

/** HDP/1 §1.6.6: nearer to its promise than this, nothing is sent again without a person. */
export const SHIP_BY_STOP_MS = 4 * 3_600_000

/** The same border as SQL: a promise at or before it is near. */
export const NEAR_PROMISE = `now() + make_interval(secs => ${SHIP_BY_STOP_MS / 1_000})`

/**
 * A queued dispatch `d` that was tried before, whose promise is near, and that no person has asked to
 * send again. It is never claimed.
 */
export const IS_STOPPED_BY_PROMISE = `coalesce(d.attempt > 0 and d.last_code is distinct from 'operator'
  and d.ship_by <= ${NEAR_PROMISE}, false)`

/**
 * The hard stop: what would be sent again by itself waits for a person where the nearest promise of its
 * orders is near. What is unknown stays so and is asked. `leftMs` is the time to that promise, null
 * where no order has one. Pure: the clock is the caller's.
 */
export function withPromise(next: NextState, leftMs: number | null): NextState {
  if (next.state !== 'queued' || leftMs === null || leftMs > SHIP_BY_STOP_MS) return next
  return { ...next, state: 'needs_operator', delayMs: 0, stoppedBy: 'ship_by_near' }
}

import { STANDARD_TIMING } from './dispatch-timing.ts'
import { sendMeter } from './lane-rate.ts'
import { partnerBreakers } from './partner-breaker.ts'
import type { LaneDeps, WorkerDeps } from './worker-deps.ts'

/** Adds what the lanes of one worker share: breakers and meters, which each process finds out itself. */
export function laneDeps(given: WorkerDeps): LaneDeps {
  const timing = given.timing ?? STANDARD_TIMING
  const { log, clock } = given.context
  return {
    ...given,
    timing,
    breakers: partnerBreakers(log, timing.breakerMs),
    meter: sendMeter(() => clock.monotonicMs()),
  }
}

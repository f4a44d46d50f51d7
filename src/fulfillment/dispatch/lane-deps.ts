import { handshakes } from '../handshake/keep-lanes-open.ts'
import { laneSession } from '../handshake/lane-session.ts'
import { STANDARD_TIMING } from './dispatch-timing.ts'
import { sendMeter } from './lane-rate.ts'
import { partnerBreakers } from './partner-breaker.ts'
import type { LaneDeps, WorkerDeps } from './worker-deps.ts'

/**
 * Adds what the lanes of one worker share: breakers and meters, which each process finds out itself, and its
 * session with its handshakes. `onOpen` is called when a handshake has opened a lane.
 */
export function laneDeps(given: WorkerDeps, onOpen: () => void = () => undefined): LaneDeps {
  const timing = given.timing ?? STANDARD_TIMING
  const { log, clock } = given.context
  const session = laneSession(clock, timing.leaseMs)
  const waitMaxMs = timing.breakerMs
  return {
    ...given,
    session,
    handshakes: handshakes({ ...given, session }, { waitMaxMs, onOpen }),
    timing,
    breakers: partnerBreakers(log, timing.breakerMs),
    meter: sendMeter(() => clock.monotonicMs()),
  }
}

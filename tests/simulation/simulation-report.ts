import type { PartnerGrade } from '#partners/index.ts'
import type { FaultRates } from './faults.ts'
import type { PartnerFault } from './partner-model.ts'
import type { CrashPoint } from './crash-points.ts'

/** What a simulation is made of; the same plan gives the same report. */
export type SimulationPlan = {
  readonly seed: number
  readonly grade: PartnerGrade
  readonly dispatches: number
  /** Simulated hours over which the dispatches are sealed. */
  readonly hours: number
  readonly faults?: Partial<FaultRates>
  /** Hours after which the partner restores a backup that is `restoreAgeMin` minutes old; 0: never. */
  readonly restoreEveryHours?: number
  readonly restoreAgeMin?: number
  /** The share of dispatches that are asked back. */
  readonly recalls?: number
}

/** What the judge counted. A `double` left twice; a `lost` one is in no state that anybody looks at. */
export type SimulationReport = {
  readonly dispatches: number
  readonly hours: number
  readonly sends: number
  readonly lookups: number
  readonly crashes: Readonly<Record<CrashPoint, number>>
  readonly struck: Readonly<Record<PartnerFault, number>>
  /** Senders that stood still between their last look at the lease and the first byte. */
  readonly zombies: number
  /** Outcomes that came after their lease and were not written. */
  readonly lostFences: number
  readonly doubles: number
  /** Doubles that no shipment event called suspected. */
  readonly doublesUnseen: number
  /** Dispatches called a suspected double ship that left once. */
  readonly falseAlarms: number
  readonly lost: number
  /** Tried again by itself although its promise was nearer than four hours. */
  readonly sentNearPromise: number
  /** Stopped for a person because its promise was near. */
  readonly stopped: number
  /** Settled as accepted although nothing left: a lie, which is worse than lost. */
  readonly falselyAccepted: number
  /** Given back to stock, and left all the same. */
  readonly shippedAndReleased: number
  /** Wishes that are open at the end and with no person. */
  readonly wishesLost: number
  readonly wishes: number
  /** How the wishes ended: given back by the partner, */
  readonly recalled: number
  /** refused for ever before it was ever seen, */
  readonly tombstones: number
  /** left before it could be stopped, */
  readonly tooLate: number
  /** never sent, */
  readonly withdrawn: number
  /** or as a person says who asked the partner. */
  readonly wishesByHand: number
  /** Answered by a person. */
  readonly byHand: number
  /** Of those, how many had left already. */
  readonly byHandShipped: number
  /** Restored backups that lost something which the partner had answered for. */
  readonly restores: number
  /** Those that the next answer gave away by its sequence, and that froze the lane. */
  readonly found: number
  /** Those of which the first answer was lost, so that only the manifest tells of them. */
  readonly leftToManifest: number
  /** Sends that went out between a restore that was found and the freeze of the lane. */
  readonly sentBeforeFreeze: number
  readonly frozen: number
  readonly events: number
}

import { seededRandom } from '#kernel/index.ts'
import type { PartnerGrade } from '#partners/index.ts'
import { STANDARD_TIMING } from '#fulfillment/dispatch/dispatch-timing.ts'
import { idempotencyKey } from '#fulfillment/idempotency-key.ts'
import { dispatchTable } from './dispatch-table.ts'
import type { Row } from './dispatch-table.ts'
import { HARSH } from './faults.ts'
import type { FaultRates } from './faults.ts'
import { inboxModel } from './inbox-model.ts'
import { PARTNER_FAULTS, partnerModel } from './partner-model.ts'
import type { PartnerFault } from './partner-model.ts'
import { virtualTime } from './virtual-time.ts'
import { CRASH_POINTS, workerModel } from './worker-model.ts'
import type { CrashPoint, Parcel } from './worker-model.ts'

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

const HOUR = 3_600_000
/** A person answers between one hour and a day later, and knows the truth by then. */
const OPERATOR_MIN_MS = HOUR
const OPERATOR_MAX_MS = 24 * HOUR
/** HDP/1 §1.6.6, as the judge reads it. */
const HARD_STOP_MS = 4 * HOUR
/** The share of dispatches whose orders have a promise, and how far off it is at most when sealed. */
const PROMISED = 0.8
const PROMISE_MAX_MS = 48 * HOUR
/** After the last dispatch is sealed everything has this long to come to rest. */
const DRAIN_MS = 90 * 24 * HOUR

/** Runs the real rules of dispatch under virtual time against a partner that judges nothing. */
export function runSimulation(plan: SimulationPlan): SimulationReport {
  const faults = { ...HARSH, ...plan.faults }
  const random = seededRandom(plan.seed)
  const time = virtualTime()
  const table = dispatchTable(time.nowMs)
  const parcels = new Map<string, Parcel>()
  const total = {
    sends: 0,
    lookups: 0,
    zombies: 0,
    lostFences: 0,
    frozen: 0,
    doubles: 0,
    doublesUnseen: 0,
    falseAlarms: 0,
    falselyAccepted: 0,
    sentNearPromise: 0,
    stopped: 0,
    byHand: 0,
    byHandShipped: 0,
    restores: 0,
    found: 0,
    leftToManifest: 0,
    sentBeforeFreeze: 0,
    events: 0,
  }
  const crashes = zeros(CRASH_POINTS)
  const struck = zeros(PARTNER_FAULTS)
  /** A restore that nobody has noticed yet, and what was sent since. */
  let forgetful: { sent: number } | undefined
  const inbox = inboxModel({ time, random })
  const partner = partnerModel({
    time,
    random,
    grade: plan.grade,
    faults,
    onEffect: (shipment, truth) => inbox.ship(shipment, truth),
    count: (fault) => void (struck[fault] += 1),
  })

  const judgeLater = (row: Row, parcel: Parcel): void => {
    // A ghost of it may still land, or a parcel be told; then it is judged again.
    const { inFlight, untold, effects } = parcel.truth
    if (inFlight + untold > 0) return time.after(HOUR, () => judgeLater(row, parcel))
    parcels.delete(row.id)
    const isSuspected = inbox.forget(parcel.shipment)
    if (effects > 1) total.doubles += 1
    if (effects > 1 && !isSuspected) total.doublesUnseen += 1
    if (effects <= 1 && isSuspected) total.falseAlarms += 1
    if (effects === 0) total.falselyAccepted += 1
  }
  const askPerson = (row: Row, parcel: Parcel): void => {
    const waitMs = OPERATOR_MIN_MS + random() * (OPERATOR_MAX_MS - OPERATOR_MIN_MS)
    time.after(waitMs, () => {
      if (parcel.truth.inFlight > 0) return askPerson(row, parcel)
      const isShipped = parcel.truth.effects > 0
      if (!table.settleByHand(row.id, isShipped ? 'accepted' : 'queued')) return
      parcel.isAskedFor = true
      total.byHand += 1
      if (isShipped) {
        total.byHandShipped += 1
        inbox.accept(parcel.shipment)
        judgeLater(row, parcel)
      } else {
        workers.wake(row)
      }
    })
  }
  const parcelOf = (id: string): Parcel => {
    const parcel = parcels.get(id)
    if (!parcel) throw new Error(`dispatch ${id} was settled and is still at work`)
    return parcel
  }
  const workers = workerModel({
    time,
    random,
    grade: plan.grade,
    timing: STANDARD_TIMING,
    faults,
    table,
    partner,
    parcelOf,
    sealNext: () => sealNext(),
    count: (what) => {
      total[what] += 1
      if (what === 'sends' && forgetful) forgetful.sent += 1
      if (what === 'frozen') thawLater()
    },
    countCrash: (point) => void (crashes[point] += 1),
    onClaim: (row, parcel) => {
      const isNear = parcel.promiseAt !== null && parcel.promiseAt - time.nowMs() <= HARD_STOP_MS
      if (row.attempt > 1 && isNear && !parcel.isAskedFor) total.sentNearPromise += 1
      parcel.isAskedFor = false
    },
    onChange: (row, parcel, state) => {
      if (state === 'accepted') inbox.accept(parcel.shipment)
      if (state === 'accepted' || state === 'rejected') judgeLater(row, parcel)
      if (state === 'needs_operator' || state === 'quarantined') askPerson(row, parcel)
    },
  })
  // People restore the partner's books from ours within a day, and only then start the lane again.
  const thawLater = (): void => {
    if (forgetful) {
      total.found += 1
      total.sentBeforeFreeze += forgetful.sent
      forgetful = undefined
    }
    time.after(OPERATOR_MAX_MS, () => workers.thaw())
  }

  const everyMs = (plan.hours * HOUR) / plan.dispatches
  let cleared = 0
  let sealed = 0
  const clear = (): void => {
    cleared += 1
    workers.wakeAny()
    if (cleared < plan.dispatches) time.after(everyMs * 2 * random(), clear)
  }
  const sealNext = (): boolean => {
    if (sealed === cleared) return false
    sealed += 1
    seal(sealed)
    return true
  }
  const seal = (number: number): void => {
    const id = `d${number}`
    const key = idempotencyKey({ ...OPERATION, batch: `btc_${number}` })
    const promiseAt = random() < PROMISED ? time.nowMs() + random() * PROMISE_MAX_MS : null
    const row = table.insert({ id, key, sequence: number, shipBy: promiseAt })
    const shipment = { key, content: `c${number}`, fulfillments: [`f${number}`], sequence: number }
    inbox.expect(shipment)
    const truth = { effects: 0, inFlight: 0, untold: 0, memory: null }
    parcels.set(id, { shipment, truth, promiseAt, isAskedFor: false })
    workers.wake(row)
  }
  time.after(0, clear)
  const restoreMs = (plan.restoreEveryHours ?? 0) * HOUR
  const restore = (): void => {
    const newest = partner.restore(time.nowMs() - (plan.restoreAgeMin ?? 60) * 60_000)
    const isVisible = newest < table.acceptedSequence() && !workers.isFrozen()
    if (forgetful) total.leftToManifest += 1
    if (isVisible) total.restores += 1
    forgetful = isVisible ? { sent: 0 } : undefined
    if (time.nowMs() + restoreMs < plan.hours * HOUR) time.after(restoreMs, restore)
  }
  if (restoreMs > 0) time.after(restoreMs, restore)

  total.events = time.run(plan.hours * HOUR * 1.2 + DRAIN_MS)
  if (forgetful) total.leftToManifest += 1
  const waiting = [...table.live.values()].filter(
    (row) => row.state === 'needs_operator' || row.state === 'quarantined',
  ).length
  return {
    dispatches: plan.dispatches,
    hours: plan.hours,
    lost: table.live.size - waiting + (cleared - sealed),
    crashes,
    struck,
    ...total,
  }
}

const OPERATION = {
  merchant: 'main',
  partner: 'simulated',
  op: 'dispatch.create',
  revision: 1,
} as const

const zeros = <T extends string>(names: readonly T[]): Record<T, number> => {
  const counts: Partial<Record<T, number>> = {}
  for (const name of names) counts[name] = 0
  // Every name was just given its zero.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return counts as Record<T, number>
}

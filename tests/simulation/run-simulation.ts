import { seededRandom } from '#kernel/index.ts'
import { STANDARD_TIMING } from '#fulfillment/dispatch/dispatch-timing.ts'
import { idempotencyKey } from '#fulfillment/idempotency-key.ts'
import { dispatchTable } from './dispatch-table.ts'
import { recallTable } from './recall-table.ts'
import type { Recall } from './recall-table.ts'
import type { Row, Wish } from './dispatch-table.ts'
import { HARSH } from './faults.ts'
import { inboxModel } from './inbox-model.ts'
import { PARTNER_FAULTS, newTruth, partnerModel } from './partner-model.ts'
import { virtualTime } from './virtual-time.ts'
import { CRASH_POINTS } from './crash-points.ts'
import { workerModel } from './worker-model.ts'
import type { Parcel } from './worker-model.ts'
import type { SimulationPlan, SimulationReport } from './simulation-report.ts'

const HOUR = 3_600_000
/** A person answers between one hour and a day later, and knows the truth by then. */
const OPERATOR_MIN_MS = HOUR
const OPERATOR_MAX_MS = 24 * HOUR
/** HDP/1 §1.6.6, as the judge reads it. */
const HARD_STOP_MS = 4 * HOUR
/** The share of dispatches whose orders have a promise, and how far off it is at most when sealed. */
const PROMISED = 0.8
const PROMISE_MAX_MS = 48 * HOUR
/** A wish comes within seconds of the seal, or days; one in doubt within minutes of the doubt. */
const WISH_SOON_MS = 5_000
const WISH_MAX_MS = 96 * HOUR
const WISH_DOUBT_MS = HOUR / 6
/** After the last dispatch is sealed everything has this long to come to rest. */
const DRAIN_MS = 90 * 24 * HOUR

/** Runs the real rules of dispatch under virtual time against a partner that judges nothing. */
export function runSimulation(plan: SimulationPlan): SimulationReport {
  const faults = { ...HARSH, ...plan.faults }
  const random = seededRandom(plan.seed)
  const time = virtualTime()
  const wishes = new Map<string, Wish>()
  const table = dispatchTable(time.nowMs, wishes)
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
    shippedAndReleased: 0,
    wishes: 0,
    recalled: 0,
    tombstones: 0,
    tooLate: 0,
    withdrawn: 0,
    wishesByHand: 0,
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
    if (!parcels.has(row.id)) return
    // A ghost of it may still land, goods leave, a parcel be told, or its wish come; then it is judged again.
    const { inFlight, untold, toShip, effects } = parcel.truth
    const isAsked =
      parcel.wish === 'to_come' || parcel.wish === 'in_doubt' || recalls.open.has(row.id)
    if (inFlight + untold + toShip > 0 || isAsked || table.live.has(row.id)) {
      return time.after(HOUR, () => judgeLater(row, parcel))
    }
    parcels.delete(row.id)
    table.forget(row.id)
    wishes.delete(row.id)
    const isSuspected = inbox.forget(parcel.shipment)
    const isReleased = !row.isClaimed
    const isHarm = effects > (isReleased ? 0 : 1)
    if (effects > 1) total.doubles += 1
    if (isReleased && effects > 0) total.shippedAndReleased += 1
    if (isHarm && !isSuspected) total.doublesUnseen += 1
    if (!isHarm && isSuspected) total.falseAlarms += 1
    if (!isReleased && effects === 0) total.falselyAccepted += 1
  }
  const askPerson = (row: Row, parcel: Parcel): void => {
    const waitMs = OPERATOR_MIN_MS + random() * (OPERATOR_MAX_MS - OPERATOR_MIN_MS)
    time.after(waitMs, () => {
      if (parcel.truth.inFlight > 0) return askPerson(row, parcel)
      const isShipped = parcel.truth.jobs.some((one) => !one.isStopped)
      // As `resolveDispatch`: with tombstones the partner itself is asked.
      const isAskedBack = plan.grade !== 'A' && recalls.open.has(row.id)
      const state = isShipped ? 'accepted' : isAskedBack ? 'recalled' : 'queued'
      if (!table.settleByHand(row.id, state)) return
      parcel.isAskedFor = true
      total.byHand += 1
      if (isShipped) {
        total.byHandShipped += 1
        inbox.accept(parcel.shipment)
      }
      if (state === 'recalled') {
        recalls.takeBackAll(row)
        total.wishesByHand += 1
      }
      if (state !== 'queued') judgeLater(row, parcel)
      workers.wake(row)
    })
  }
  /** A person calls the partner about a recall; what is still on its way is waited for. */
  const askOfRecall = (recall: Recall): void => {
    const waitMs = OPERATOR_MIN_MS + random() * (OPERATOR_MAX_MS - OPERATOR_MIN_MS)
    time.after(waitMs, () => {
      const { truth } = parcelOf(recall.dispatchId)
      if (truth.inFlight > 0) return askOfRecall(recall)
      const said = partner.stop(truth)
      if (said === 'in_progress' || !workers.answerByHand(recall, said)) askOfRecall(recall)
    })
  }
  const askBack = (id: string): void => {
    const parcel = parcels.get(id)
    if (!parcel || parcel.wish === 'made') return
    parcel.wish = 'made'
    if (!recalls.request(id)) return
    total.wishes += 1
    workers.wakeAny()
  }
  /** Wishes come before the first claim, in the seconds after it, in doubt, and at any later time. */
  const wishFor = (id: string, parcel: Parcel): void => {
    if (random() >= (plan.recalls ?? 0)) return
    const chance = random()
    parcel.wish = chance > 0.75 ? 'in_doubt' : 'to_come'
    if (chance < 0.25) return askBack(id)
    const withinMs = chance < 0.5 ? WISH_SOON_MS : WISH_MAX_MS
    time.after(random() * random() * withinMs, () => askBack(id))
  }
  const parcelOf = (id: string): Parcel => {
    const parcel = parcels.get(id)
    if (!parcel) throw new Error(`dispatch ${id} was settled and is still at work`)
    return parcel
  }
  const recalls = recallTable({
    nowMs: time.nowMs,
    table,
    wishes,
    hasLeft: (id) => inbox.hasLeft(parcelOf(id).shipment),
    onFreed: (row) => inbox.takeBack(parcelOf(row.id).shipment),
  })
  const workers = workerModel({
    recalls,
    onEnd: (end) => void (total[end] += 1),
    onDoubt: askOfRecall,
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
      if (!table.live.has(row.id)) judgeLater(row, parcel)
      if (parcel.wish === 'in_doubt' && (state === 'unknown' || state === 'needs_operator')) {
        time.after(random() * WISH_DOUBT_MS, () => askBack(row.id))
      }
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
    const truth = newTruth()
    const parcel: Parcel = { shipment, truth, promiseAt, wish: 'none', isAskedFor: false }
    parcels.set(id, parcel)
    wishFor(id, parcel)
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
  const isWithPerson = ({ id, state }: Row): boolean =>
    BY_HAND.has(state) || BY_HAND.has(recalls.underWay.get(id)?.state ?? '')
  const rows = [...table.live.values()]
  const waiting = rows.filter(isWithPerson).length
  const wishesLost = [...recalls.open.keys()].filter((id) => {
    const row = table.rowOf(id)
    return !row || !isWithPerson(row)
  }).length
  return {
    dispatches: plan.dispatches,
    hours: plan.hours,
    wishesLost,
    lost: table.live.size - waiting + (cleared - sealed),
    crashes,
    struck,
    ...total,
  }
}

const BY_HAND = new Set<string>(['needs_operator', 'quarantined'])
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

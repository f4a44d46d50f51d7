import { invariant } from '#kernel/index.ts'
import type { Random } from '#kernel/index.ts'
import type { PartnerGrade } from '#partners/index.ts'
import type { OutboundResult } from '#platform/outbound/index.ts'
import {
  classifyLookup,
  classifyResponse,
  sequenceSeen,
} from '#fulfillment/dispatch/classify-response.ts'
import type { DispatchTiming } from '#fulfillment/dispatch/dispatch-timing.ts'
import {
  afterLostLease,
  nextAfterAttempt,
  nextAfterLookup,
  withSequence,
} from '#fulfillment/dispatch/next-dispatch-state.ts'
import type { NextState } from '#fulfillment/dispatch/next-dispatch-state.ts'
import { termsOf } from '#fulfillment/dispatch/partner-terms.ts'
import { SHIP_BY_STOP_MS, withPromise } from '#fulfillment/promise/near-promise.ts'
import { reasonNotToSend } from '#fulfillment/dispatch/reason-not-to-send.ts'
import type { DispatchTable, Row, Written } from './dispatch-table.ts'
import type { CrashPoint } from './crash-points.ts'
import type { FaultRates } from './faults.ts'
import { recallWorker } from './recall-worker.ts'
import type { RecallWorld } from './recall-worker.ts'
import type { PartnerModel, Shipment, Truth } from './partner-model.ts'
import type { VirtualTime } from './virtual-time.ts'

/** A dispatch of the simulation: what is sent, and what the judge knows of it. */
export type Parcel = {
  readonly shipment: Shipment
  readonly truth: Truth
  readonly promiseAt: number | null
  /** When its line is asked back, and whether that is still to come. */
  wish: 'none' | 'to_come' | 'in_doubt' | 'made'
  /** True from a person's word that it is to be sent again until it is claimed for that. */
  isAskedFor: boolean
}

/** What the worker processes of a simulation share. */
export type WorkerWorld = {
  readonly time: VirtualTime
  readonly random: Random
  readonly grade: PartnerGrade
  readonly timing: DispatchTiming
  readonly faults: FaultRates
  readonly table: DispatchTable
  readonly partner: PartnerModel
  readonly parcelOf: (id: string) => Parcel
  /** Seals the next order that waits, if there is one. */
  readonly sealNext: () => boolean
  /** Told of every claim, before anything of it is sent. */
  readonly onClaim: (row: Row, parcel: Parcel) => void
  /** Told of every state that a row gets, so that a settled one can be judged. */
  readonly onChange: (row: Row, parcel: Parcel, next: Row['state']) => void
  readonly count: (
    what: 'sends' | 'lookups' | 'zombies' | 'lostFences' | 'frozen' | 'stopped',
  ) => void
  readonly countCrash: (point: CrashPoint) => void
}

const PROCESSES = 3
const RESTART_MAX_MS = 60_000
/** The poll behind NOTIFY: a lane looks at its table at the latest after a second. */
const POLL_MS = 1_000
const WAIT_MS = 15_000
/** Dispatches of the partner that may be on their way at once. */
export const CONCURRENCY = 4

/** Several dispatcher processes over one table, each of which may die or stand still anywhere. */
export function workerModel(world: WorkerWorld & RecallWorld) {
  const { time, random, table, timing, faults, recalls } = world
  const terms = termsOf({ grade: world.grade })
  const processes = Array.from({ length: PROCESSES }, () => ({ life: 0, isUp: true }))
  let tokens = 0
  let isFrozen = false

  type Life = { readonly process: number; readonly life: number }
  const isAlive = ({ process, life }: Life): boolean =>
    processes[process]?.life === life && processes[process].isUp
  const maybeCrash = ({ process, life }: Life, point: CrashPoint): boolean => {
    const one = processes[process]
    invariant(one, 'a process')
    // It may have died already of something else that it did.
    if (!one.isUp || one.life !== life) return true
    if (random() >= faults.crash) return false
    world.countCrash(point)
    one.life += 1
    one.isUp = false
    time.after(random() * RESTART_MAX_MS, () => {
      one.isUp = true
      round(process)
    })
    return true
  }
  /** Some process looks at the table within a poll of the time that a row is due. */
  const lookAt = (row: Row): void => {
    // Whatever is asked back is planned for anew when its dispatch moved; a look in between finds the same.
    if (recalls.open.has(row.id)) lookAfter(WAIT_MS)
    const stopAt = row.state === 'queued' && row.attempt > 0 ? (row.shipBy ?? Infinity) : Infinity
    const dueAt =
      row.state === 'sending'
        ? (row.leaseUntil ?? 0) + 1
        : Math.min(row.nextAttemptAt, stopAt - SHIP_BY_STOP_MS)
    const delayMs = Math.max(0, dueAt - time.nowMs()) + random() * POLL_MS
    time.after(delayMs, () => round(Math.floor(random() * PROCESSES)))
  }
  const lookAfter = (delayMs: number): void =>
    time.after(delayMs + random() * POLL_MS, () => round(Math.floor(random() * PROCESSES)))
  const wakeAny = (): void => lookAfter(0)
  const leftMs = ({ shipBy }: Row): number | null =>
    shipBy === null ? null : shipBy - time.nowMs()
  const write = (written: Written, next: NextState): void => {
    if (next.pauseReason !== undefined) {
      if (!isFrozen) world.count('frozen')
      isFrozen = true
    }
    const row = table.live.get(written.id)
    if (!table.complete(written)) return world.count('lostFences')
    if (next.stoppedBy !== undefined) world.count('stopped')
    invariant(row, 'a written row was live')
    world.onChange(row, world.parcelOf(row.id), written.state)
    if (recalls.open.has(row.id)) wakeAny()
    lookAt(row)
    // A settled row makes room for an order that waits unsealed.
    if (world.table.unsettled() < CONCURRENCY) wakeAny()
  }

  const send = (self: Life, row: Row): void => {
    const claim = {
      token: row.token ?? '',
      attempt: row.attempt,
      leasedAt: time.nowMs(),
      accepted: table.acceptedSequence(),
      promiseLeftMs: leftMs(row),
    }
    const { id } = row
    const { shipment, truth } = world.parcelOf(id)
    if (maybeCrash(self, 'after_intent')) return
    // A sender that stands still may still send: the judge waits for it as for a ghost.
    truth.inFlight += 1
    const begin = (): void => {
      truth.inFlight -= 1
      if (!isAlive(self)) return
      const refused = reasonNotToSend({
        partner: { url: 'http://127.0.0.1' },
        timing,
        hasSecret: true,
        leaseLeftMs: timing.leaseMs - (time.nowMs() - claim.leasedAt),
        sendBudgetMs: timing.sendBudgetMs,
        skewMs: 0,
      })
      if (refused !== undefined) return conclude({ kind: 'no_byte_written', code: refused })
      world.count('sends')
      // The worst place to stand still: after the last look at the lease, before the first byte.
      truth.inFlight += 1
      if (random() >= faults.stall) return transmit()
      world.count('zombies')
      time.after(random() * faults.stallMaxMs, transmit)
    }
    const transmit = (): void => {
      truth.inFlight -= 1
      let isAnswered = false
      const answer = (result: OutboundResult): void => {
        if (isAnswered) return
        isAnswered = true
        if (!maybeCrash(self, 'after_answer')) conclude(result)
      }
      time.after(timing.sendBudgetMs, () => answer({ kind: 'after_byte_written', code: 'timeout' }))
      world.partner.post(shipment, truth, answer)
      maybeCrash(self, 'after_write')
    }
    const conclude = (result: OutboundResult): void => {
      const seen = classifyResponse(result, sealedFacts(shipment), time.nowMs())
      const decided = nextAfterAttempt(seen, { ...claim, isRetryOn: true, terms, timing, random })
      const sequence = { seen: sequenceSeen(result), accepted: claim.accepted }
      const next = withPromise(withSequence(decided, sequence), claim.promiseLeftMs)
      write(
        { ...writtenOf(id, claim.token, 'sending', next), code: seen.code, status: seen.status },
        next,
      )
      maybeCrash(self, 'after_completion')
    }
    // Some sends begin late: the lease is looked at after the pause.
    if (random() < faults.stall) time.after(random() * faults.stallMaxMs, begin)
    else begin()
  }

  const ask = (self: Life, row: Row): void => {
    const { id } = row
    const token = row.token ?? ''
    const accepted = table.acceptedSequence()
    const promiseLeftMs = leftMs(row)
    const facts = {
      attempt: row.attempt,
      lastStatus: row.lastStatus,
      lastCode: row.lastCode,
      sinceFirstAttemptMs: time.nowMs() - (row.firstAttemptAt ?? 0),
      unknownForMs: time.nowMs() - (row.intentAt ?? 0),
      isAskedBack: recalls.open.has(id),
      absentForMs: row.absentSince === null ? null : time.nowMs() - row.absentSince,
      terms,
      timing,
      random,
    }
    lookAt(row)
    if (maybeCrash(self, 'before_lookup')) return
    world.count('lookups')
    const { shipment, truth } = world.parcelOf(id)
    world.partner.get(shipment, truth, (result) => {
      if (maybeCrash(self, 'after_lookup')) return
      const seen = classifyLookup(result, sealedFacts(shipment), time.nowMs())
      const sequence = { seen: sequenceSeen(result), accepted }
      const next = withPromise(withSequence(nextAfterLookup(seen, facts), sequence), promiseLeftMs)
      const code =
        next.state === 'unknown' ? (facts.lastCode ?? `lookup_${seen.kind}`) : `lookup_${seen.kind}`
      write({ ...writtenOf(id, token, 'unknown', next), code }, next)
      maybeCrash(self, 'after_completion')
    })
  }

  function round(process: number): void {
    const one = processes[process]
    if (!one?.isUp) return
    const self = { process, life: one.life }
    const lost = afterLostLease(terms)
    const expired = table.expireLeases(lost)
    for (const row of expired) {
      world.onChange(row, world.parcelOf(row.id), lost)
      lookAt(row)
    }
    if (expired.length > 0 && maybeCrash(self, 'after_expiry')) return
    tokens += 1
    for (const row of table.claimUnknown(CONCURRENCY, `t${tokens}`)) ask(self, row)
    // A lane that stands still is stopped by its promises too.
    for (const row of table.stopNear()) {
      world.count('stopped')
      world.onChange(row, world.parcelOf(row.id), row.state)
    }
    tokens += 1
    const crashes = (point: CrashPoint): boolean => maybeCrash(self, point)
    recalling.round({ crashes }, CONCURRENCY, `t${tokens}`)
    if (isFrozen || !isAlive(self)) return
    // As `runLane` does: what waits beyond the concurrency waits unsealed.
    for (let free = CONCURRENCY - table.unsettled(); free > 0; free -= 1) {
      if (!world.sealNext()) break
      if (maybeCrash(self, 'after_seal')) return
    }
    tokens += 1
    const { leaseMs } = timing
    const claimed = table.claimDue({
      concurrency: CONCURRENCY,
      limit: 64,
      token: `t${tokens}`,
      leaseMs,
    })
    for (const row of claimed) {
      lookAt(row)
      world.onClaim(row, world.parcelOf(row.id))
      // The commit is in doubt: the row is there, and this process may not rely on it.
      if (random() < faults.intentInDoubt) continue
      send(self, row)
    }
    if (claimed.length > 0)
      for (const row of table.live.values()) if (row.state === 'queued') lookAt(row)
  }

  const changed = (row: Row): void => {
    world.onChange(row, world.parcelOf(row.id), row.state)
    lookAt(row)
  }
  const recalling = recallWorker(world, changed, lookAfter)

  return {
    wake: lookAt,
    wakeAny,
    answerByHand: recalling.answerByHand,
    isFrozen: (): boolean => isFrozen,
    thaw: (): void => {
      isFrozen = false
      for (const row of table.live.values()) lookAt(row)
      wakeAny()
    },
  }
}

const sealedFacts = (shipment: Shipment) => ({
  key: shipment.key,
  contentSha256: shipment.content,
  fulfillmentIds: shipment.fulfillments,
})

const writtenOf = (id: string, token: string, before: Written['before'], next: NextState) => ({
  id,
  token,
  before,
  state: next.state,
  delayMs: next.delayMs,
  isAbsent: next.isAbsent ?? false,
})

import type { Random } from '#kernel/index.ts'
import type { PartnerGrade } from '#partners/index.ts'
import type { OutboundResult } from '#platform/outbound/index.ts'
import type { FaultRates } from './faults.ts'
import type { VirtualTime } from './virtual-time.ts'

/** What goes over the wire, as far as a partner looks at it. */
export type Shipment = {
  readonly key: string
  readonly content: string
  readonly fulfillments: readonly string[]
  readonly sequence: number
}

/** The judge's own count of one dispatch, whatever the partner says about it. */
export type Truth = {
  /** Times that the goods left. */
  effects: number
  /** Requests that may still land. */
  inFlight: number
  /** Parcels that left and of which we have not been told. */
  untold: number
  /** Times that the partner took it on; each is picked, and leaves unless it is stopped before. */
  readonly jobs: Job[]
  /** Jobs that are not over. */
  toShip: number
  /** True where a create is refused for ever: recalled, or recalled before it was ever seen. */
  isBuried: boolean
  /** What the partner answered to recalls, by their keys. */
  readonly answers: Map<string, OutboundResult>
  /** What the partner remembers: null where it knows nothing (any more). */
  memory: { readonly atMs: number } | null
}

type Job = { readonly pickAt: number; isStopped: boolean }

/** A dispatch that nobody has heard of. */
export const newTruth = (): Truth => ({
  effects: 0,
  inFlight: 0,
  untold: 0,
  jobs: [],
  toShip: 0,
  isBuried: false,
  answers: new Map(),
  memory: null,
})

/** What a recall asks for: its own key, and the order key of the one line. */
export type Asked = { readonly key: string; readonly orderKey: string }

/** A simulated partner: what it remembers is not what it did. */
export type PartnerModel = {
  readonly post: (
    shipment: Shipment,
    truth: Truth,
    answer: (result: OutboundResult) => void,
  ) => void
  readonly get: (shipment: Shipment, truth: Truth, answer: (result: OutboundResult) => void) => void
  readonly recall: (
    asked: Asked,
    shipment: Shipment,
    truth: Truth,
    answer: (result: OutboundResult) => void,
  ) => void
  /** Stops the goods where they can be stopped still, as when a person calls. */
  readonly stop: (truth: Truth) => 'recalled' | 'in_progress' | 'too_late'
  /** Forgets what it took since `sinceMs`, as after restoring a backup; answers its newest sequence. */
  readonly restore: (sinceMs: number) => number
}

/** What can strike an exchange on its way or at the partner. */
export const PARTNER_FAULTS = [
  'outage',
  'refused',
  'lost_request',
  'lost_answer',
  'ghost',
  'failed_after_commit',
  'turned_away',
  'stale_lookup',
] as const
/** One of `PARTNER_FAULTS`. */
export type PartnerFault = (typeof PARTNER_FAULTS)[number]

/** Round trips in milliseconds: what a request and what an answer take at most. */
const LATENCY_MAX_MS = 400
const HOUR_MS = 3_600_000
/** Class B of the simulation keeps keys for the 24 h that it promises, and not a minute longer. */
const KEY_TTL_B_MS = 24 * HOUR_MS
/** From the acceptance until it is picked, and from then until it leaves, at most. */
const PICK_MAX_MS = 6 * HOUR_MS
const PACK_MAX_MS = 2 * HOUR_MS
/** Of what is being picked, the share that a packer can still put back. */
const PUT_BACK = 0.3
const KEPT_FOR_RESTORE = 2_000

/** A partner of a grade. `onEffect` is told each time that goods leave, `count` of every fault that struck. */
export function partnerModel(world: {
  readonly time: VirtualTime
  readonly random: Random
  readonly grade: PartnerGrade
  readonly faults: FaultRates
  readonly onEffect: (shipment: Shipment, truth: Truth) => void
  readonly count: (fault: PartnerFault) => void
}): PartnerModel {
  const { time, random, grade, faults, count } = world
  let isDown = false
  const breakDown = (): void => {
    isDown = true
    time.after(random() * faults.outageMaxHours * HOUR_MS, () => {
      isDown = false
      time.after(random() * faults.outageEveryHours * HOUR_MS, breakDown)
    })
  }
  time.after(random() * faults.outageEveryHours * HOUR_MS, breakDown)

  const recent: { truth: Truth; sequence: number }[] = []
  let newest = 0

  const knows = (truth: Truth): boolean => {
    if (truth.memory === null) return false
    return grade !== 'B' || time.nowMs() - truth.memory.atMs < KEY_TTL_B_MS
  }
  const pick = (shipment: Shipment, truth: Truth): void => {
    const waitMs = random() * PICK_MAX_MS
    const job: Job = { pickAt: time.nowMs() + waitMs, isStopped: false }
    truth.jobs.push(job)
    truth.toShip += 1
    time.after(waitMs + random() * PACK_MAX_MS, () => {
      truth.toShip -= 1
      if (job.isStopped) return
      truth.effects += 1
      world.onEffect(shipment, truth)
    })
  }
  const stop = (truth: Truth): 'recalled' | 'in_progress' | 'too_late' => {
    if (truth.effects > 0) return 'too_late'
    const isPicking = truth.jobs.some((one) => !one.isStopped && one.pickAt <= time.nowMs())
    if (isPicking && random() >= PUT_BACK) return 'in_progress'
    for (const one of truth.jobs) one.isStopped = true
    truth.isBuried = true
    return 'recalled'
  }
  // Only A and B know a key again.
  const isRefused = (truth: Truth): boolean => truth.isBuried && (grade === 'A' || grade === 'B')
  const answerRecall = (asked: Asked, shipment: Shipment, truth: Truth): OutboundResult => {
    const before = truth.answers.get(asked.key)
    if (before) return before
    const isTombstone = truth.jobs.length === 0
    if (!isRefused(truth) && !knows(truth) && grade !== 'A') {
      return reply(404, '{"code":"dispatch_unknown"}')
    }
    const outcome = stop(truth)
    const body = {
      key: asked.key,
      recalls: shipment.key,
      tombstone: isTombstone,
      orders: [{ order_key: asked.orderKey, outcome }],
    }
    const told = reply(200, JSON.stringify(body))
    truth.answers.set(asked.key, told)
    return told
  }
  const take = (shipment: Shipment, truth: Truth): { isReplay: boolean; seen: number } => {
    const seen = newest
    const isReplay = (grade === 'A' || grade === 'B') && knows(truth)
    if (!isReplay) {
      pick(shipment, truth)
      truth.memory = { atMs: time.nowMs() }
      newest = Math.max(newest, shipment.sequence)
      recent.push({ truth, sequence: shipment.sequence })
      if (recent.length > KEPT_FOR_RESTORE) recent.splice(0, KEPT_FOR_RESTORE / 2)
    }
    return { isReplay, seen }
  }
  const latency = (): number => 1 + random() * LATENCY_MAX_MS

  /** One exchange: `land` is what the partner does with it, where and when it arrives. */
  const exchange = (
    truth: Truth,
    land: () => OutboundResult,
    answer: (result: OutboundResult) => void,
  ): void => {
    let chance = random()
    const strikes = (rate: number, fault: PartnerFault): boolean => {
      const isStruck = chance < rate
      chance -= rate
      if (isStruck) count(fault)
      return isStruck
    }
    const soon = (result: OutboundResult): void => time.after(latency(), () => answer(result))
    if (isDown) {
      count('outage')
      return soon(random() < 0.5 ? notWritten : cut)
    }
    if (strikes(faults.refused, 'refused')) return soon(notWritten)
    if (strikes(faults.lostRequest, 'lost_request')) return soon(cut)
    if (strikes(faults.turnedAway, 'turned_away')) return soon(turnedAway(random))
    const isGhost = strikes(faults.ghost, 'ghost')
    const fate = isGhost
      ? 'lost'
      : strikes(faults.lostAnswer, 'lost_answer')
        ? 'lost'
        : strikes(faults.failedAfterCommit, 'failed_after_commit')
          ? 'failed'
          : 'told'
    truth.inFlight += 1
    time.after(isGhost ? random() * faults.ghostMaxMs : latency(), () => {
      truth.inFlight -= 1
      const result = land()
      if (isGhost) return
      if (fate === 'lost') return soon(cut)
      soon(fate === 'failed' ? reply(500, '{}') : result)
    })
    if (isGhost) soon(cut)
  }

  return {
    stop,
    post(shipment, truth, answer) {
      const land = (): OutboundResult =>
        isRefused(truth)
          ? reply(410, '{"code":"recalled"}')
          : echo(shipment, { ...take(shipment, truth), grade })
      exchange(truth, land, answer)
    },
    recall(asked, shipment, truth, answer) {
      exchange(truth, () => answerRecall(asked, shipment, truth), answer)
    },
    get(shipment, truth, answer) {
      const soon = (result: OutboundResult): void => time.after(latency(), () => answer(result))
      if (grade === 'D') return soon(reply(404, '{}'))
      if (isDown || random() < faults.lostAnswer + faults.lostRequest) return soon(cut)
      if (isRefused(truth)) return soon(reply(410, '{"code":"recalled"}'))
      const isLagging =
        truth.memory !== null &&
        time.nowMs() - truth.memory.atMs < faults.lagMaxMs &&
        random() < faults.staleLookup * 10
      if (isLagging) count('stale_lookup')
      const isFound = knows(truth) && !isLagging
      soon(isFound ? echo(shipment, { status: 200, seen: newest, grade }) : absent(newest, grade))
    },
    restore(sinceMs) {
      const kept = recent.filter((one) => (one.truth.memory?.atMs ?? 0) < sinceMs)
      const forgotten = recent.filter((one) => (one.truth.memory?.atMs ?? -1) >= sinceMs)
      for (const one of forgotten) one.truth.memory = null
      newest = Math.max(0, ...kept.map((one) => one.sequence))
      recent.splice(0, recent.length, ...kept)
      return newest
    },
  }
}

const notWritten: OutboundResult = { kind: 'no_byte_written', code: 'ECONNREFUSED' }
const cut: OutboundResult = { kind: 'after_byte_written', code: 'ECONNRESET' }

function reply(
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): OutboundResult {
  return { kind: 'reply', status, headers, body: Buffer.from(body), isTruncated: false }
}

function turnedAway(random: Random): OutboundResult {
  const chance = random()
  if (chance < 0.4) return reply(503, '{}')
  if (chance < 0.7) return reply(409, '{}', { 'retry-after': '2' })
  return reply(429, '{}', { 'retry-after': '5' })
}

function echo(
  shipment: Shipment,
  facts: { status?: number; isReplay?: boolean; seen: number; grade: PartnerGrade },
): OutboundResult {
  const body = JSON.stringify({
    key: shipment.key,
    content_sha256: shipment.content,
    accepted: shipment.fulfillments,
    rejected: [],
  })
  return reply(facts.status ?? (facts.isReplay === true ? 200 : 201), body, {
    ...(facts.isReplay === true ? { 'idempotent-replayed': 'true' } : {}),
    ...sequenceHeader(facts.seen, facts.grade),
  })
}

const absent = (seen: number, grade: PartnerGrade): OutboundResult =>
  reply(404, '{}', sequenceHeader(seen, grade))

// Only class A promises its manifest (HDP/1 §1.12), and with it the newest sequence it saw.
const sequenceHeader = (seen: number, grade: PartnerGrade): Readonly<Record<string, string>> =>
  grade === 'A' ? { 'holdfast-sequence-seen': String(seen) } : {}

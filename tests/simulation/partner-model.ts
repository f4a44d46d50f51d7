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
  /** What the partner remembers: null where it knows nothing (any more). */
  memory: { readonly atMs: number } | null
}

/** A simulated partner: what it remembers is not what it did. */
export type PartnerModel = {
  readonly post: (
    shipment: Shipment,
    truth: Truth,
    answer: (result: OutboundResult) => void,
  ) => void
  readonly get: (shipment: Shipment, truth: Truth, answer: (result: OutboundResult) => void) => void
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
  const take = (shipment: Shipment, truth: Truth): { isReplay: boolean; seen: number } => {
    const seen = newest
    const isReplay = (grade === 'A' || grade === 'B') && knows(truth)
    if (!isReplay) {
      truth.effects += 1
      truth.memory = { atMs: time.nowMs() }
      world.onEffect(shipment, truth)
      newest = Math.max(newest, shipment.sequence)
      recent.push({ truth, sequence: shipment.sequence })
      if (recent.length > KEPT_FOR_RESTORE) recent.splice(0, KEPT_FOR_RESTORE / 2)
    }
    return { isReplay, seen }
  }
  const latency = (): number => 1 + random() * LATENCY_MAX_MS

  return {
    post(shipment, truth, answer) {
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
        const { isReplay, seen } = take(shipment, truth)
        if (isGhost) return
        if (fate === 'lost') return soon(cut)
        soon(fate === 'failed' ? reply(500, '{}') : echo(shipment, { isReplay, seen, grade }))
      })
      if (isGhost) soon(cut)
    },
    get(shipment, truth, answer) {
      const soon = (result: OutboundResult): void => time.after(latency(), () => answer(result))
      if (grade === 'D') return soon(reply(404, '{}'))
      if (isDown || random() < faults.lostAnswer + faults.lostRequest) return soon(cut)
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

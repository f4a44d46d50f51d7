import { batchLane, newId } from '#kernel/index.ts'
import type { BatchLane } from '#kernel/index.ts'
import { openCases } from '#cases/index.ts'
import type { NewCase } from '#cases/index.ts'
import { pausePartner } from '#partners/index.ts'
import type { Partner } from '#partners/index.ts'
import { appendEvents, change, many, read, withTransaction } from '#platform/index.ts'
import { completeAll } from './complete-dispatch.ts'
import type { Completed, Completion } from './complete-dispatch.ts'
import { claimDue, expireLeases, insertAttempts } from './dispatch-statements.ts'
import { throttleLane } from './lane-rate.ts'
import { selectLaneWork } from './lane-work.ts'
import { afterLostLease } from './next-dispatch-state.ts'
import { termsOf } from './partner-terms.ts'
import { lookUp, probe, takeUnknown } from './resolve-unknown.ts'
import { stopNear } from '../promise/promise-statements.ts'
import { runRecalls } from '../recall/recall-lane.ts'
import { sealBatch } from '../seal/seal-batch.ts'
import { sendDispatch } from './send-dispatch.ts'
import type { ClaimedDispatch } from './send-dispatch.ts'
import type { LaneDeps } from './worker-deps.ts'

/** Completions of every lane of a process share one set-based transaction at a time. */
export type CompletionLane = BatchLane<Completion, Completed>

/** Opens the lane of completions; at most 256 in one transaction. */
export function openCompletionLane(deps: LaneDeps): CompletionLane {
  return batchLane({
    batchMax: 256,
    queueMax: 100_000,
    run: (completions) => completeAll(deps.context, completions),
  })
}

/** Dispatches that one claim takes. */
const CLAIM_MAX = 64

/**
 * One round of a partner's lane: expire, look up, seal where there is room, claim and send. Starts
 * the requests and answers how many it started; `track` is told of each, so that a stop can wait.
 */
export async function runLane(
  deps: LaneDeps,
  partner: Partner,
  completions: CompletionLane,
  track: (work: Promise<void>) => void,
): Promise<number> {
  const { merchant, database } = deps.context
  deps.session.touch()
  const gate = deps.session.gate()
  const [work] = await read(database, selectLaneWork, { merchant, partner: partner.id, ...gate })
  if (!work) return 0
  const { system, timeline, flushed: wal, inserted } = work
  deps.session.note(gate, { system, timeline, wal, inserted })
  deps.handshakes.know(partner.id, work.next_sequence)
  let started = 0
  if (work.is_expired) started += await expire(deps, partner)
  if (work.is_unknown_due || work.is_expired) {
    const unknown = await takeUnknown(deps, partner, partner.concurrencyMax)
    for (const one of unknown) track(settle(deps, completions, lookUp(deps, partner, one)))
    started += unknown.length
  }
  if (work.is_near) started += await stop(deps, partner)
  // Before the pause is looked at: a recall can only stop goods.
  if (work.is_recalling) started += await runRecalls(deps, partner, track)
  if (partner.pausedAt !== null) return started
  if (!deps.breakers.isClosed(partner.id)) {
    track(probe(deps, partner))
    return started
  }
  if (!work.is_open) {
    // The statements of the seal and the claim would find nothing: the partner is asked first.
    deps.handshakes.want(partner)
    return started
  }
  // At most its concurrency is unsettled: what waits beyond that waits open, and can be withdrawn.
  const hasRoom = work.unsettled < partner.concurrencyMax
  const sealing = work.is_open_due && hasRoom ? seal(deps, partner) : Promise.resolve(0)
  const send = async (): Promise<number> => {
    const claimed = await claim(deps, partner)
    for (const one of claimed) track(settle(deps, completions, sendDispatch(deps, partner, one)))
    return claimed.length
  }
  // What was sealed before leaves meanwhile; where nothing was, this seal leaves at once.
  const sending = work.is_queued_due ? send() : sealing.then((sealed) => (sealed > 0 ? send() : 0))
  // Both end before a fault of either is told: what is claimed is sent, and a stop waits for it.
  await Promise.allSettled([sealing, sending])
  return started + (await sealing) + (await sending)
}

/** The hard stop of HDP/1 §1.6.6 for what waits to be sent again, in a paused lane too. */
async function stop(deps: LaneDeps, partner: Partner): Promise<number> {
  const { merchant, database, log } = deps.context
  const stopped = await withTransaction(database, async (tx) => {
    const rows = await many(tx, stopNear, { merchant, partner: partner.id })
    const events = rows.map((one) => ({
      subjectId: one.id,
      kind: 'dispatch.stopped',
      data: { partner_id: partner.id, code: one.was_code, stopped_by: 'ship_by_near' },
    }))
    await appendEvents(tx, merchant, events)
    return rows
  })
  for (const { id, attempt, was_code: after } of stopped) {
    const fields = { dispatch_id: id, partner_id: partner.id, attempt, after }
    log.error({ code: 'ship_by_near', ...fields }, 'a promise is near: a person decides')
  }
  return stopped.length
}

async function seal(deps: LaneDeps, partner: Partner): Promise<number> {
  const result = await sealBatch(deps.context, partner.id, {
    ...deps,
    gate: deps.session.gate(),
  })
  return result.dispatches.length + result.heldBack
}

async function claim(deps: LaneDeps, partner: Partner): Promise<readonly ClaimedDispatch[]> {
  const { merchant, database, clock } = deps.context
  const { leaseMs } = deps.timing
  const token = newId('lse')
  const leasedAtMs = clock.monotonicMs()
  // This commit is the intent: no byte leaves before it. Where it fails, nothing is sent.
  const rows = await withTransaction(database, (tx) =>
    many(tx, claimDue, {
      merchant,
      partner: partner.id,
      ...deps.session.gate(),
      concurrency: partner.concurrencyMax,
      limit: CLAIM_MAX,
      token,
      lease: Math.ceil(leaseMs / 1_000),
    }),
  )
  const lease = { token, leasedAtMs, leaseMs }
  return rows.map((dispatch) => ({ dispatch, lease }))
}

async function settle(
  deps: LaneDeps,
  completions: CompletionLane,
  work: Promise<Completion>,
): Promise<void> {
  const { log } = deps.context
  const done = await work
  const fields = { dispatch_id: done.dispatchId, partner_id: done.partner, code: done.code }
  // Paused before the dispatch is queued again, or the next claim would send it to a partner that
  // refuses us.
  if (done.next.pauseReason !== undefined) await pause(deps, done, done.next.pauseReason)
  if (done.attempt?.status === 429) {
    await throttleLane(deps.context, done.partner, deps.meter.perSecond(done.partner))
  }
  const isWritten = await completions.submit(done)
  if (isWritten !== true) {
    log.warn(fields, 'the lease of a dispatch was lost; its outcome is for the new owner')
    return
  }
  if (LOUD.has(done.next.state)) log.error(fields, `dispatch is ${done.next.state}`)
  else log.info(fields, `dispatch is ${done.next.state}`)
}

async function pause(deps: LaneDeps, done: Completion, reason: string): Promise<void> {
  const { context } = deps
  context.log.error(
    { dispatch_id: done.dispatchId, partner_id: done.partner, code: done.code },
    'the partner refuses us: its lane is paused',
  )
  await pausePartner(context, { partner: done.partner, actor: 'dispatch', reason })
  if (reason !== 'sequence_regressed') return
  const seen: NewCase = {
    kind: 'partner_regressed',
    subjectId: done.partner,
    partnerId: done.partner,
    title: `The ledger of ${done.partner} went back: it forgot dispatches that it had answered for.`,
    evidence: { dispatch: done.dispatchId },
    dueHours: 1,
  }
  await withTransaction(context.database, (tx) =>
    openCases(tx, context.merchant, 'dispatch', [seen]),
  )
}

const LOUD = new Set(['needs_operator', 'quarantined'])

/** A lease that ran out belonged to a process that may have sent: unknown, never queued again. */
async function expire(deps: LaneDeps, partner: Partner): Promise<number> {
  const { merchant, database, log } = deps.context
  const state = afterLostLease(termsOf(partner))
  const rows = await withTransaction(database, async (tx) => {
    const expired = await many(tx, expireLeases, { merchant, partner: partner.id, state })
    if (expired.length === 0) return expired
    await change(tx, insertAttempts, {
      merchant,
      dispatches: expired.map((one) => one.id),
      attempts: expired.map((one) => one.attempt),
      started: expired.map((one) => one.intent_at),
      classes: expired.map(() => 'unknown'),
      statuses: expired.map(() => 0),
      codes: expired.map(() => 'lease_expired'),
      responses: expired.map(() => new Uint8Array()),
    })
    const kind = state === 'unknown' ? 'dispatch.unknown' : 'dispatch.stopped'
    const data = { partner_id: partner.id, code: 'lease_expired' }
    await appendEvents(
      tx,
      merchant,
      expired.map((one) => ({ subjectId: one.id, kind, data })),
    )
    return expired
  })
  for (const one of rows) {
    log.error(
      { dispatch_id: one.id, partner_id: partner.id },
      'a dispatch lost its sender: unknown',
    )
  }
  return rows.length
}

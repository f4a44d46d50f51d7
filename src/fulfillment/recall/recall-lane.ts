import { pausePartner } from '#partners/index.ts'
import type { Partner } from '#partners/index.ts'
import { appendEvents, change, many, read, withTransaction } from '#platform/index.ts'
import { throttleLane } from '../dispatch/lane-rate.ts'
import type { LaneDeps } from '../dispatch/worker-deps.ts'
import { completeOne } from './complete-recall.ts'
import { planRecall } from './plan-recall.ts'
import { expireRecallLeases, insertRecallAttempts, selectRecallWork } from './recall-claims.ts'
import { sendRecall, takeRecalls } from './send-recall.ts'
import type { RecallCompletion } from './send-recall.ts'

/** Dispatches that one round plans for, and recalls that one round sends. */
const ROUND_MAX = 32

/**
 * The recalls of one round of a partner's lane: plans for what is asked back, expires leases, and where
 * the breaker is closed claims and sends. Answers how much it did; `track` is told of each exchange.
 */
export async function runRecalls(
  deps: LaneDeps,
  partner: Partner,
  track: (work: Promise<void>) => void,
): Promise<number> {
  const { merchant, database } = deps.context
  const [work] = await read(database, selectRecallWork, { merchant, partner: partner.id })
  let did = work?.is_expired === true ? await expire(deps, partner) : 0
  if (work?.is_wanted === true) did += await planSome(deps, partner)
  if (!deps.breakers.isClosed(partner.id)) return did
  if (work?.is_due !== true && did === 0) return did
  const claimed = await takeRecalls(deps, partner, Math.min(partner.concurrencyMax, ROUND_MAX))
  for (const one of claimed) track(settle(deps, sendRecall(deps, partner, one)))
  return did + claimed.length
}

async function planSome(deps: LaneDeps, partner: Partner): Promise<number> {
  let planned = 0
  while (planned < ROUND_MAX && (await planRecall(deps, partner))) planned += 1
  return planned
}

async function settle(deps: LaneDeps, work: Promise<RecallCompletion>): Promise<void> {
  const { context } = deps
  const done = await work
  const { recall, partner, next, seen } = done
  const fields = {
    recall_id: recall.id,
    dispatch_id: recall.dispatch_id,
    partner_id: partner.id,
    code: seen.code,
  }
  if (next.pauseReason !== undefined && partner.pausedAt === null) {
    context.log.error(fields, 'the partner refuses us: its lane is paused')
    const wish = { partner: partner.id, actor: 'recall', reason: next.pauseReason }
    await pausePartner(context, wish)
  }
  if (seen.status === 429) {
    await throttleLane(context, partner.id, deps.meter.perSecond(partner.id))
  }
  if (!(await completeOne(context, done))) {
    context.log.warn(fields, 'the lease of a recall was lost; its outcome is for the new owner')
    return
  }
  if (LOUD.has(next.state)) context.log.error(fields, `recall is ${next.state}`)
  else context.log.info(fields, `recall is ${next.state}`)
}

const LOUD = new Set(['needs_operator', 'quarantined'])

async function expire(deps: LaneDeps, partner: Partner): Promise<number> {
  const { merchant, database } = deps.context
  return withTransaction(database, async (tx) => {
    const expired = await many(tx, expireRecallLeases, { merchant, partner: partner.id })
    if (expired.length === 0) return 0
    await change(tx, insertRecallAttempts, {
      merchant,
      recalls: expired.map((one) => one.id),
      attempts: expired.map((one) => one.attempt),
      started: expired.map((one) => one.intent_at),
      classes: expired.map(() => 'unknown'),
      statuses: expired.map(() => 0),
      codes: expired.map(() => 'lease_expired'),
      responses: expired.map(() => new Uint8Array()),
    })
    await appendEvents(
      tx,
      merchant,
      expired.map((one) => ({
        subjectId: one.id,
        kind: 'recall.unknown',
        data: { partner_id: partner.id, code: 'lease_expired' },
      })),
    )
    return expired.length
  })
}

import { openCases, resolveCasesAbout } from '#cases/index.ts'
import type { NewCase } from '#cases/index.ts'
import { listPartners } from '#partners/index.ts'
import { appendEvents, many, withTransaction } from '#platform/index.ts'
import type { Context, RowOf, Transaction } from '#platform/index.ts'
import { askByKey } from './ask-by-key.ts'
import type { Answer, Asked } from './ask-by-key.ts'
import { claimPassed, raiseAtRisk, raiseMissed, settleAlarms } from './promise-statements.ts'
import type { LaneDeps } from '../dispatch/worker-deps.ts'

type Raised = RowOf<typeof raiseAtRisk.row>
type Alarm = 'at_risk' | 'missed'

/** Fulfillment orders that one turn takes of each kind. */
const TURN_MAX = 100
const ACTOR = 'promises'
const KINDS = { at_risk: 'ship_by_at_risk', missed: 'ship_by_missed' } as const

/**
 * One turn over the promises that nobody has accepted yet: raises what is nearer than four hours, and
 * settles what came to rest. Answers how many it moved, so that a full turn is followed by another.
 */
export async function watchUnaccepted({ context }: Pick<LaneDeps, 'context'>): Promise<number> {
  const { merchant, database } = context
  const raised = await withTransaction(database, async (tx) => {
    const rows = await many(tx, raiseAtRisk, { merchant, limit: TURN_MAX })
    await tell(tx, merchant, 'at_risk', rows, new Map())
    return rows
  })
  for (const one of raised) shout(context, 'at_risk', one)
  return raised.length + (await settle(context))
}

/**
 * One turn over the promises that an acceptance did not keep (HDP/1 §3, row 32): the partner is asked
 * by key, once a dispatch, and what has still not shipped becomes a case with its answer.
 */
export async function watchUnshipped(deps: LaneDeps): Promise<number> {
  const { context } = deps
  const { merchant, database } = context
  const taken = await withTransaction(database, (tx) =>
    many(tx, claimPassed, { merchant, limit: TURN_MAX }),
  )
  if (taken.length === 0) return 0
  const partners = new Map((await listPartners(database, merchant)).map((one) => [one.id, one]))
  const dispatches = new Map(taken.map((one): [string, Asked] => [one.dispatch_id, one]))
  const answers = new Map(
    await Promise.all(
      [...dispatches].map(async ([id, one]): Promise<[string, Answer]> => [
        id,
        await askByKey(deps, partners.get(one.partner_id), one),
      ]),
    ),
  )
  const raised = await withTransaction(database, async (tx) => {
    const rows = await many(tx, raiseMissed, { merchant, ids: taken.map((one) => one.id) })
    await tell(tx, merchant, 'missed', rows, answers)
    return rows
  })
  for (const one of raised) shout(context, 'missed', one)
  return taken.length
}

async function tell(
  tx: Transaction,
  merchant: string,
  alarm: Alarm,
  raised: readonly Raised[],
  answers: ReadonlyMap<string, Answer>,
): Promise<void> {
  if (raised.length === 0) return
  await openCases(
    tx,
    merchant,
    ACTOR,
    raised.map((one) => caseOf(alarm, one, answers.get(one.dispatch_id ?? ''))),
  )
  await appendEvents(
    tx,
    merchant,
    raised.map((one) => ({
      subjectId: one.id,
      kind: `fulfillment.${KINDS[alarm]}`,
      data: { order_id: one.order_id, ship_by: one.ship_by.toISOString(), state: one.state },
    })),
  )
}

function caseOf(alarm: Alarm, one: Raised, answer: Answer | undefined): NewCase {
  const shipBy = one.ship_by.toISOString()
  const title =
    alarm === 'at_risk'
      ? `${one.partner_id} has not accepted what is to leave by ${shipBy}: ${whereItIs(one)}.`
      : `${one.partner_id} accepted what was to leave by ${shipBy}, and has told of no parcel.`
  const { amount, currency } = one
  return {
    kind: KINDS[alarm],
    subjectId: one.id,
    orderId: one.order_id,
    partnerId: one.partner_id,
    title,
    evidence: {
      ship_by: shipBy,
      state: one.state,
      dispatch: one.dispatch_id,
      dispatch_state: one.dispatch_state,
      attempt: one.attempt,
      last_code: one.last_code,
      paused: one.paused_reason,
      holds: [...one.holds],
      ...(answer === undefined ? {} : { asked: answer }),
    },
    dueHours: Math.max(0, Math.floor(one.left_s / 3_600)),
    ...(amount !== null && currency !== null ? { money: { amount, currency } } : {}),
  }
}

function whereItIs(one: Raised): string {
  if (one.state === 'held') return `it is held (${one.holds.join(', ')})`
  const lane = one.paused_reason === null ? '' : `, and the lane is paused (${one.paused_reason})`
  if (one.dispatch_state === null) return `it is not sealed yet${lane}`
  return `its dispatch is ${one.dispatch_state} after ${one.attempt ?? 0} attempts${lane}`
}

function shout({ log }: Context, alarm: Alarm, one: Raised): void {
  const words = { at_risk: 'a promise is near and not accepted', missed: 'a promise was not kept' }
  const fields = { fulfillment_id: one.id, order_id: one.order_id, partner_id: one.partner_id }
  log.error({ code: KINDS[alarm], ...fields, ship_by: one.ship_by.toISOString() }, words[alarm])
}

/** Takes alarms back, and closes their cases, in one transaction with the event that tells it. */
async function settle({ database, merchant }: Context): Promise<number> {
  return withTransaction(database, async (tx) => {
    const over = await many(tx, settleAlarms, { merchant, limit: TURN_MAX })
    for (const alarm of ['at_risk', 'missed'] as const) {
      for (const state of new Set(over.map((one) => one.state))) {
        const subjects = over
          .filter((one) => one.alarm === alarm && one.state === state)
          .map((one) => one.id)
        const outcome = `It is ${state} now.`
        const about = { kind: KINDS[alarm], subjects, actor: ACTOR, outcome }
        await resolveCasesAbout(tx, merchant, about)
      }
    }
    await appendEvents(
      tx,
      merchant,
      over.map((one) => ({
        subjectId: one.id,
        kind: 'fulfillment.ship_by_settled',
        data: { order_id: one.order_id, alarm: one.alarm, state: one.state },
      })),
    )
    return over.length
  })
}

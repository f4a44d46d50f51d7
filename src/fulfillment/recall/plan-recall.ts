import { newId } from '#kernel/index.ts'
import type { Partner } from '#partners/index.ts'
import { appendEvents, change, many, maybe, withTransaction } from '#platform/index.ts'
import type { NewEvent, RowOf, Transaction } from '#platform/index.ts'
import { canBeAsked } from '../dispatch/partner-terms.ts'
import type { LaneDeps } from '../dispatch/worker-deps.ts'
import { recallBody } from './recall-body.ts'
import type { RecallCause } from './recall-body.ts'
import { closeOvertaken, postponeLines, selectOpenLines } from './line-statements.ts'
import {
  insertRecall,
  insertRecallBody,
  insertRecallOrders,
  moveDispatch,
  nextRevision,
  takeRecallable,
  withdrawUnsent,
} from './recall-statements.ts'
import { recallStep } from './recall-step.ts'
import { lockOrders, openLateCases, settleState } from './settle-recall.ts'
import { takeBackAll } from './take-back-all.ts'

/** What waits for something else is looked at again after this. */
const WAIT_MS = 15_000

type Recallable = RowOf<typeof takeRecallable.row>
type OpenLine = RowOf<typeof selectOpenLines.row>

/**
 * Plans for one dispatch of which lines are asked back: takes it back where it never left, seals a
 * recall where the partner must be asked, or finds out first. False where there was none to plan for.
 */
export async function planRecall(deps: LaneDeps, partner: Partner): Promise<boolean> {
  const { context } = deps
  const { merchant } = context
  const { id: provenance } = await context.provenance()
  return withTransaction(context.database, async (tx) => {
    const dispatch = await maybe(tx, takeRecallable, { merchant, partner: partner.id })
    if (!dispatch) return false
    await lockOrders(tx, merchant, dispatch.id)
    const events = [...(await closeLines(tx, merchant, partner, dispatch))]
    const open = await many(tx, selectOpenLines, { merchant, dispatch: dispatch.id })
    const due = open.filter((one) => one.is_due)
    if (due.length > 0) {
      const plan = { deps, partner, dispatch, due, provenance }
      events.push(...(await takeStep(tx, merchant, plan)))
    } else if (open.length === 0 && KNOWN.has(dispatch.state)) {
      events.push(...(await settleState(tx, merchant, dispatch.id, 'unknown')))
    }
    await appendEvents(tx, merchant, events)
    return true
  })
}

/** States in which the partner has the dispatch: closing its last wish moves it. */
const KNOWN = new Set(['accepted', 'recalling', 'recall_partial', 'too_late'])

async function closeLines(
  tx: Transaction,
  merchant: string,
  partner: Partner,
  dispatch: Recallable,
): Promise<readonly NewEvent[]> {
  const closed = await many(tx, closeOvertaken, { merchant, dispatch: dispatch.id })
  const late = closed.filter((one) => one.state === 'too_late')
  await openLateCases(tx, merchant, partner.id, dispatch.id, late)
  return late.map((one) => ({
    subjectId: one.fulfillment_id,
    kind: 'fulfillment.recall_too_late',
    data: {
      order_id: one.order_id,
      dispatch_id: dispatch.id,
      tracking_number: one.tracking_number,
    },
  }))
}

type Plan = {
  readonly deps: LaneDeps
  readonly partner: Partner
  readonly dispatch: Recallable
  readonly due: readonly OpenLine[]
  readonly provenance: string
}

async function takeStep(
  tx: Transaction,
  merchant: string,
  plan: Plan,
): Promise<readonly NewEvent[]> {
  const { partner, dispatch, due } = plan
  const { id, state, attempt } = dispatch
  const step = recallStep({
    state,
    attempt,
    isSettled: dispatch.is_settled,
    isFrozen: dispatch.is_frozen,
    grade: partner.grade,
    isByOperator: due.some((one) => one.is_by_operator),
  })
  if (step === 'withdraw') return withdraw(tx, merchant, id)
  if (step === 'send') return sealRecall(tx, merchant, plan, 'queued')
  if (step === 'by_hand') return sealRecall(tx, merchant, plan, 'needs_operator')
  await change(tx, postponeLines, { merchant, dispatch: id, delay_ms: WAIT_MS })
  if (step === 'wait') return []
  const unsettled = canBeAsked(partner) ? 'unknown' : 'needs_operator'
  await many(tx, moveDispatch, { merchant, id, state: unsettled, code: 'recall_wanted' })
  return [{ subjectId: id, kind: 'dispatch.unknown', data: { code: 'recall_wanted' } }]
}

/** Takes back what never left. The rest of the batch opens again and goes in another one. */
async function withdraw(
  tx: Transaction,
  merchant: string,
  id: string,
): Promise<readonly NewEvent[]> {
  const taken = await maybe(tx, withdrawUnsent, { merchant, id })
  if (!taken) return []
  const freed = await takeBackAll(tx, merchant, id)
  const data = { code: 'never_sent', orders: freed.length }
  return [{ subjectId: id, kind: 'dispatch.recalled', data }, ...freed]
}

async function sealRecall(
  tx: Transaction,
  merchant: string,
  { deps, partner, dispatch, due, provenance }: Plan,
  state: 'queued' | 'needs_operator',
): Promise<readonly NewEvent[]> {
  const { batch_id: batch, key: recalls } = dispatch
  const revision = (await maybe(tx, nextRevision, { merchant, batch }))?.revision ?? 1
  const lines = due.map((one) => ({
    fulfillmentId: one.fulfillment_id,
    generation: one.generation,
    cause: causeOf(one.cause),
  }))
  const sealed = recallBody({ merchant, partner: partner.id, batch, revision, recalls, lines })
  const id = newId('rcl')
  const { key, bytes } = sealed
  const proof = deps.prover.prove({ merchant, partner: partner.id, dispatch: id, key, bytes })
  await change(tx, insertRecall, {
    merchant,
    id,
    dispatch: dispatch.id,
    partner: partner.id,
    batch,
    revision,
    key,
    state,
    code: state === 'queued' ? null : `grade_${partner.grade.toLowerCase()}_by_hand`,
    provenance,
  })
  await change(tx, insertRecallBody, {
    merchant,
    id,
    bytes,
    proof_key: proof.keyId,
    proof: proof.mac,
  })
  await change(tx, insertRecallOrders, {
    merchant,
    recall: id,
    dispatch: dispatch.id,
    fulfillments: [...sealed.orderKeys.keys()],
    order_keys: [...sealed.orderKeys.values()],
  })
  await many(tx, moveDispatch, { merchant, id: dispatch.id, state: 'recalling', code: 'recall' })
  const data = { partner_id: partner.id, recall_id: id, key, orders: lines.length, code: state }
  return [{ subjectId: dispatch.id, kind: 'dispatch.recalling', data }]
}

const CAUSES: readonly RecallCause[] = ['cancel', 'reject', 'amend', 'hold', 'operator']
const causeOf = (text: string): RecallCause => CAUSES.find((one) => one === text) ?? 'operator'

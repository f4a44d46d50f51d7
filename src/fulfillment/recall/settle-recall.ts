import { openCases } from '#cases/index.ts'
import type { NewCase } from '#cases/index.ts'
import { invariant } from '#kernel/index.ts'
import { change, many, maybe } from '#platform/index.ts'
import type { NewEvent, RowOf, Transaction } from '#platform/index.ts'
import { lockByOrder } from '../fulfillment-statements.ts'
import type { LineAnswer } from './classify-recall.ts'
import { freeLines } from './free-lines.ts'
import { answerLines } from './line-statements.ts'
import {
  answerRecallOrders,
  lockDispatch,
  moveDispatch,
  selectClaimedOrders,
  selectLineWorth,
  selectStanding,
} from './recall-statements.ts'

/** Where a dispatch goes whose acceptance is not known: looked up, or to a person. */
export type Unsettled = 'unknown' | 'needs_operator'

/** An answer to a recall, by the partner or by a person. */
export type RecallAnswer = {
  readonly recall: string
  readonly dispatch: string
  readonly by: string
  readonly isTombstone: boolean
  readonly answers: readonly LineAnswer[]
  /** Milliseconds until what is `in_progress` is asked for again. */
  readonly askAgainMs: number
  readonly unsettled: Unsettled
}

/**
 * Writes down what became of the lines of a recall: given back, on their way, or to be asked again.
 * `too_late` opens its case in this transaction. Goods that left are never given back, whatever is said.
 */
export async function settleRecall(
  tx: Transaction,
  merchant: string,
  told: RecallAnswer,
): Promise<readonly NewEvent[]> {
  const dispatch = await maybe(tx, lockDispatch, { merchant, id: told.dispatch })
  invariant(dispatch, 'a recall names a dispatch that exists')
  const orders = await lockOrders(tx, merchant, told.dispatch)
  const hasLeft = new Set(
    orders.flatMap((one) =>
      LEFT.has(one.state) && one.dispatch_id === told.dispatch ? [one.id] : [],
    ),
  )
  const trackings = told.answers.map((one) => one.trackingNumber ?? '')
  const fulfillments = told.answers.map((one) => one.fulfillmentId)
  const { recall, by } = told
  const outcomes = told.answers.map((one) => one.outcome)
  await change(tx, answerRecallOrders, { merchant, recall, by, fulfillments, outcomes, trackings })
  const states = told.answers.map((one) => lineState(one, dispatch.is_settled, hasLeft))
  const lines = await many(tx, answerLines, {
    merchant,
    dispatch: told.dispatch,
    fulfillments,
    states,
    trackings,
    delays: states.map(() => told.askAgainMs),
  })
  const given = told.isTombstone
    ? orders.flatMap((one) => (one.dispatch_id === told.dispatch ? [one.id] : []))
    : lines.flatMap((one) => (one.state === 'recalled' ? [one.fulfillment_id] : []))
  const free = given.filter((id) => !hasLeft.has(id))
  const freed = await freeLines(tx, merchant, told.dispatch, free)
  const late = lines.filter((one) => one.state === 'too_late')
  await openLateCases(tx, merchant, dispatch.partner_id, told.dispatch, late)
  await openUnknownCases(tx, merchant, dispatch.partner_id, told, lines)
  const moved = await settleState(tx, merchant, dispatch.id, told.unsettled)
  return [...lines.flatMap(lineEvents(told.dispatch)), ...freed, ...moved]
}

const LEFT = new Set(['shipped', 'delivered'])

/** Locks every fulfillment order of the orders that a dispatch carries, in id order. */
export async function lockOrders(tx: Transaction, merchant: string, dispatch: string) {
  const rows = await many(tx, selectClaimedOrders, { merchant, dispatch })
  return many(tx, lockByOrder, { merchant, orders: rows.map((row) => row.order_id) })
}

/** Where the wish for a line goes after an answer. Goods that left were never given back. Pure. */
export function lineState(
  { outcome, fulfillmentId }: Pick<LineAnswer, 'outcome' | 'fulfillmentId'>,
  isSettled: boolean,
  hasLeft: ReadonlySet<string>,
): LineAnswer['outcome'] | 'requested' {
  if (outcome === 'recalled') return hasLeft.has(fulfillmentId) ? 'too_late' : 'recalled'
  // Where we do not know what the partner took, a look-up tells whether it refused this line.
  if (outcome === 'unknown_order' && !isSettled) return 'requested'
  return outcome
}

type AnsweredLine = Pick<
  RowOf<typeof answerLines.row>,
  'fulfillment_id' | 'order_id' | 'state' | 'tracking_number'
>

const lineEvents =
  (dispatch: string) =>
  (line: AnsweredLine): readonly NewEvent[] => {
    const kind = LINE_EVENTS.get(line.state)
    if (kind === undefined) return []
    const data = {
      order_id: line.order_id,
      dispatch_id: dispatch,
      tracking_number: line.tracking_number,
    }
    return [{ subjectId: line.fulfillment_id, kind, data }]
  }

// What was given back is told where its claim is freed.
const LINE_EVENTS = new Map([
  ['in_progress', 'fulfillment.recall_in_progress'],
  ['too_late', 'fulfillment.recall_too_late'],
  ['unknown_order', 'fulfillment.recall_unanswered'],
])

/** A case for each line that left before it could be stopped, with what it was sold for. */
export async function openLateCases(
  tx: Transaction,
  merchant: string,
  partner: string,
  dispatch: string,
  late: readonly AnsweredLine[],
): Promise<void> {
  if (late.length === 0) return
  const worth = new Map(
    (
      await many(tx, selectLineWorth, {
        merchant,
        fulfillments: late.map((one) => one.fulfillment_id),
      })
    ).map((row) => [row.id, { amount: row.amount, currency: row.currency }]),
  )
  const cases = late.map((one): NewCase => {
    const money = worth.get(one.fulfillment_id)
    return {
      kind: 'too_late',
      subjectId: one.fulfillment_id,
      orderId: one.order_id,
      partnerId: partner,
      title: `${partner} had sent the goods of order ${one.order_id} before the recall reached it.`,
      evidence: { dispatch, tracking_number: one.tracking_number },
      ...(money ? { money } : {}),
    }
  })
  await openCases(tx, merchant, 'recall', cases)
}

async function openUnknownCases(
  tx: Transaction,
  merchant: string,
  partner: string,
  { recall, dispatch }: RecallAnswer,
  lines: readonly AnsweredLine[],
): Promise<void> {
  const cases = lines
    .filter((one) => one.state === 'unknown_order')
    .map((one): NewCase => ({
      kind: 'discrepancy',
      subjectId: `recall:${one.fulfillment_id}`,
      orderId: one.order_id,
      partnerId: partner,
      title: `${partner} accepted order ${one.order_id} and now says that it has no such order.`,
      evidence: { dispatch, recall },
      dueHours: 4,
    }))
  await openCases(tx, merchant, 'recall', cases)
}

/** Brings a dispatch to what its lines say; answers the event of it where it moved. */
export async function settleState(
  tx: Transaction,
  merchant: string,
  dispatch: string,
  unsettled: Unsettled,
): Promise<readonly NewEvent[]> {
  const standing = await maybe(tx, selectStanding, { merchant, dispatch })
  invariant(standing, 'a dispatch has a standing')
  const state = stateOf(standing, unsettled)
  const moved = await maybe(tx, moveDispatch, { merchant, id: dispatch, state, code: 'recall' })
  if (!moved) return []
  const { live, recalled, too_late } = standing
  return [
    { subjectId: dispatch, kind: `dispatch.${EVENTS[state]}`, data: { live, recalled, too_late } },
  ]
}

type Standing = Omit<RowOf<typeof selectStanding.row>, 'now'>
type SettledState =
  | 'recalled'
  | 'rejected'
  | 'recalling'
  | 'recall_partial'
  | 'too_late'
  | 'accepted'
  | Unsettled

/** Where a dispatch stands after a recall of it was answered. Pure. */
export function stateOf(standing: Standing, unsettled: Unsettled): SettledState {
  if (standing.live === 0) return standing.recalled > 0 ? 'recalled' : 'rejected'
  if (!standing.is_settled) return unsettled
  if (standing.open > 0) return 'recalling'
  if (standing.recalled > 0) return 'recall_partial'
  return standing.too_late > 0 ? 'too_late' : 'accepted'
}

const EVENTS: Readonly<Record<SettledState, string>> = {
  recalled: 'recalled',
  rejected: 'rejected',
  recalling: 'recalling',
  recall_partial: 'recall_partial',
  too_late: 'recall_too_late',
  accepted: 'recall_ended',
  unknown: 'unknown',
  needs_operator: 'stopped',
}

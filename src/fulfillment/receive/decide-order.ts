import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { change, many, maybe, statement, withTransaction } from '#platform/index.ts'
import type { Context, Transaction } from '#platform/index.ts'
import { lockByOrder, lockGates, notifyWork } from '../fulfillment-statements.ts'
import { dropAsked, insertAsked, selectAsked } from '../hold/asked-decision.ts'
import { orderParts } from '../hold/order-parts.ts'
import type { OrderPart } from '../hold/order-parts.ts'
import { settleOrders } from '../hold/settle-orders.ts'

/** A person's decision that is about to be recorded under `id`, or whose HOLD is taken back. */
export type DecisionWish = {
  readonly id: string
  readonly orderId: string
  readonly revision: number
  readonly action: 'hold' | 'clear' | 'drop'
}

/**
 * `stands`: it may be recorded. `sealed`, of a CLEAR: goods are with a partner. `shipped`: they have left.
 * `dropped`: the HOLD of this id was taken back before.
 */
export type DecisionOutcome = {
  readonly kind: 'stands' | 'sealed' | 'shipped' | 'dropped'
  readonly parts: readonly OrderPart[]
}

// A process that was stopped inside a seal holds the rows for as long as it stands still: who asks is told
// so, instead of waiting with a connection in hand.
const waitBriefly = statement({
  name: 'fulfillment.wait_briefly_for_locks',
  params: {},
  row: { lock_timeout: 'text' },
  text: `select set_config('lock_timeout', '5s', true) as lock_timeout`,
})

/**
 * Answers what a decision would still change, under the locks of the order. A HOLD takes effect here and
 * now: what is not sealed is held, what is with a partner is asked back, and both stay so until the
 * decision of this id arrives or is dropped. If everything has left, nothing changes. The same id again
 * answers how far it is. A CLEAR changes nothing here. Throws if the rows are locked for longer than 5 s.
 * Refused: `handover_conflict` if the id was used for another order or revision.
 */
export async function decideOrder(
  context: Context,
  wish: DecisionWish,
): Promise<Outcome<DecisionOutcome>> {
  return withTransaction(context.database, (tx) => decide(tx, context.merchant, wish))
}

async function decide(
  tx: Transaction,
  merchant: string,
  wish: DecisionWish,
): Promise<Outcome<DecisionOutcome>> {
  await many(tx, waitBriefly, {})
  await change(tx, lockGates, { merchant, orders: [wish.orderId] })
  const known = await maybe(tx, selectAsked, { merchant, id: wish.id })
  if (known && (known.order_id !== wish.orderId || known.revision !== wish.revision))
    return refuse('handover_conflict', `Decision ${wish.id} was asked about another order.`)
  await many(tx, lockByOrder, { merchant, orders: [wish.orderId] })
  if (wish.action === 'clear') return accept(clearable(await partsOf(tx, merchant, wish)))
  if (wish.action === 'drop') return accept(await drop(tx, merchant, wish, known?.state))
  if (known?.state === 'dropped') return accept(await answer(tx, merchant, wish, 'dropped'))
  return accept(await hold(tx, merchant, wish, known !== undefined))
}

async function hold(
  tx: Transaction,
  merchant: string,
  wish: DecisionWish,
  isKnown: boolean,
): Promise<DecisionOutcome> {
  if (!isKnown) {
    const before = await partsOf(tx, merchant, wish)
    if (hasLeft(before)) return { kind: 'shipped', parts: before }
    const { id, orderId: order, revision } = wish
    await change(tx, insertAsked, { merchant, id, order, revision, state: 'standing' })
    await settleOrders(tx, merchant, [wish.orderId])
    await many(tx, notifyWork, { topic: 'fulfillment' })
  }
  return answer(tx, merchant, wish, 'stands')
}

async function drop(
  tx: Transaction,
  merchant: string,
  wish: DecisionWish,
  state: string | undefined,
): Promise<DecisionOutcome> {
  const { id, orderId: order, revision } = wish
  if (state === undefined) {
    await change(tx, insertAsked, { merchant, id, order, revision, state: 'dropped' })
  } else if ((await change(tx, dropAsked, { merchant, id })) === 1) {
    await settleOrders(tx, merchant, [order])
    await many(tx, notifyWork, { topic: 'fulfillment' })
  }
  return answer(tx, merchant, wish, 'dropped')
}

const partsOf = (tx: Transaction, merchant: string, wish: DecisionWish) =>
  orderParts(tx, merchant, wish.orderId, wish.revision)

async function answer(
  tx: Transaction,
  merchant: string,
  wish: DecisionWish,
  kind: DecisionOutcome['kind'],
): Promise<DecisionOutcome> {
  return { kind, parts: await partsOf(tx, merchant, wish) }
}

/** True if there is something of the order, and all of it has left. */
function hasLeft(parts: readonly OrderPart[]): boolean {
  const live = parts.filter(({ state }) => state !== 'ended')
  return live.length > 0 && live.every(({ state }) => state === 'left')
}

function clearable(parts: readonly OrderPart[]): DecisionOutcome {
  const isSealed = parts.some(({ state }) => state === 'with_partner' || state === 'asked_back')
  if (isSealed) return { kind: 'sealed', parts }
  // The certificate of a CLEAR covers all units of a revision, and some of these are gone.
  return { kind: parts.some(({ state }) => state === 'left') ? 'shipped' : 'stands', parts }
}

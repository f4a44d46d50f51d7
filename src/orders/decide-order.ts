import { accept, newId, refuse } from '#kernel/index.ts'
import type { Outcome, Refusal } from '#kernel/index.ts'
import { change, transact, withTransaction } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import { insertWish, keyedWish, openWish, postponeWish, settleWish } from './decision-wish.ts'
import type { DecidedPart, DecisionAnswer, DecisionWish, KeptWish } from './decision-wish.ts'
import { lockOrder } from './order-lock.ts'
import type { PlacingDeps } from './place/place-orders.ts'
import { recordWish } from './record-wish.ts'

/** What fulfillment says of a decision that is about to be recorded. */
export type DecisionWord = {
  /** `stands`: record it. `sealed` and `shipped`: it comes too late. `dropped`: it was taken back before. */
  readonly kind: 'stands' | 'sealed' | 'shipped' | 'dropped'
  readonly parts: readonly DecidedPart[]
}

/**
 * Asks fulfillment what a decision would still change; a HOLD holds and recalls there at once. `drop` ends
 * a HOLD that was never recorded. A fault means "unknown".
 */
export type AskDecision = (
  wish: DecisionWish,
  action: 'hold' | 'clear' | 'drop',
) => Promise<DecisionWord>

/** Who decides what, and why. `key` is the caller's Idempotency-Key, if it sent one. */
export type DecisionInput = {
  readonly orderId: string
  readonly verdict: 'hold' | 'clear'
  readonly actor: string
  readonly reason: string
  readonly key?: string | undefined
}

/** `isReplayed`: the same request came before, and this is what it was answered. */
export type Decided = { readonly answer: DecisionAnswer; readonly isReplayed: boolean }

/**
 * Records a person's decision on an order, once fulfillment has said what it still changes. Undoing a CLEAR
 * is a HOLD. Refuses `order_unknown`, `order_closed`, `order_shipped`, `dispatch_sealed` (a CLEAR of what is
 * with a partner), `fulfillment_unavailable` with nothing recorded, `idempotency_key_reused`, and
 * `decision_refused` if another change or decision came in between.
 */
export async function decideOrder(
  deps: PlacingDeps,
  ask: AskDecision,
  input: DecisionInput,
): Promise<Outcome<Decided>> {
  const { context } = deps
  const begun = await transact(context.database, (tx) => beginWish(tx, context.merchant, input))
  if (!begun.ok) return begun
  const { wish, answer } = begun.value
  if (answer) return accept({ answer, isReplayed: true })
  const word = await ask(wish, wish.verdict).catch((fault: unknown) => {
    context.log.warn({ order_id: wish.orderId, err: fault }, 'fulfillment was not asked to decide')
    return undefined
  })
  if (!word) return giveUp(deps, wish)
  const recorded = await settleDecision(deps, wish, word)
  return recorded.ok ? accept({ answer: recorded.value, isReplayed: false }) : recorded
}

/** Takes up wishes that a crash left, and tells fulfillment of HOLDs that were never recorded. */
export async function resumeDecision(
  deps: PlacingDeps,
  ask: AskDecision,
  { wish, state }: KeptWish,
): Promise<boolean> {
  const { database, merchant, log } = deps.context
  // A HOLD that nobody was answered about is carried out; a CLEAR is not: whoever wants it asks again.
  const isWanted = state === 'asked' && wish.verdict === 'hold'
  const action = wish.verdict === 'hold' ? (isWanted ? 'hold' : 'drop') : undefined
  const word = action && (await ask(wish, action).catch(() => undefined))
  if (action && !word) {
    log.warn({ order_id: wish.orderId, decision_id: wish.id }, 'a decision waits for fulfillment')
    await withTransaction(database, (tx) => change(tx, postponeWish, { merchant, id: wish.id }))
    return false
  }
  if (isWanted && word) await settleDecision(deps, wish, word)
  else await endWish(deps, wish, state, 'dropped')
  return true
}

async function settleDecision(
  deps: PlacingDeps,
  wish: DecisionWish,
  word: DecisionWord,
): Promise<Outcome<DecisionAnswer>> {
  if (word.kind === 'stands') return recordWish(deps, wish, word.parts)
  await endWish(deps, wish, 'asked', 'refused')
  return { ok: false, refusal: tooLate(wish, word) }
}

async function giveUp(deps: PlacingDeps, wish: DecisionWish): Promise<Outcome<never>> {
  await endWish(deps, wish, 'asked', wish.verdict === 'hold' ? 'dropping' : 'dropped')
  return refuse('fulfillment_unavailable', 'Fulfillment did not answer; nothing is recorded.')
}

async function endWish(
  { context }: PlacingDeps,
  { id }: DecisionWish,
  before: string,
  state: 'refused' | 'dropping' | 'dropped',
): Promise<void> {
  const { database, merchant } = context
  await withTransaction(database, (tx) =>
    change(tx, settleWish, { merchant, id, before, state, answer: null }),
  )
}

function tooLate({ orderId, verdict }: DecisionWish, { kind, parts }: DecisionWord): Refusal {
  const back = {
    route: `POST /admin/orders/${orderId}/returns`,
    command: `holdfast returns record ${orderId}`,
  }
  const { refusal } =
    kind === 'shipped'
      ? refuse('order_shipped', WHAT_LEFT[verdict], { meta: { return: back, parts } })
      : kind === 'sealed'
        ? refuse('dispatch_sealed', 'Goods of the order are with a partner, or are asked back.', {
            meta: { parts },
          })
        : refuse('decision_refused', 'The same decision was taken back meanwhile; decide again.')
  return refusal
}

const WHAT_LEFT = {
  hold: 'The goods have left; they come back as a return.',
  clear: 'Goods of the order have left. What is still held is released by cancelling the order.',
} as const

/** A wish to ask about, or what the same request was answered before. */
type Begun = { readonly wish: DecisionWish; readonly answer?: DecisionAnswer }

async function beginWish(
  tx: Transaction,
  merchant: string,
  input: DecisionInput,
): Promise<Outcome<Begun>> {
  const locked = await lockOrder(tx, merchant, input.orderId)
  if (!locked.ok) return locked
  const order = locked.value
  const { actor, key } = input
  const before =
    key === undefined ? undefined : await keyedWish(tx, merchant, { order: order.id, actor, key })
  if (before) return repeated(before, input)
  if (order.state !== 'placed') return refuse('order_closed', `The order is ${order.state}.`)
  if (order.open_withdrawal)
    return refuse('decision_refused', `A change (${order.open_kind}) of the order is under way.`)
  const open = await openWish(tx, merchant, order.id)
  if (open?.wish.verdict === input.verdict) return accept({ wish: open.wish })
  if (open?.wish.verdict === 'hold')
    return refuse('decision_refused', 'A hold of the order is being carried out.')
  const { id } = open?.wish ?? {}
  // A HOLD goes before a CLEAR that is still being asked about.
  if (id)
    await change(tx, settleWish, { merchant, id, before: 'asked', state: 'dropped', answer: null })
  const wish: DecisionWish = {
    merchant,
    id: newId('rvd'),
    orderId: order.id,
    verdict: input.verdict,
    revision: order.revision,
    afterNumber: order.last_number,
    actor,
    reason: input.reason,
  }
  await change(tx, insertWish, {
    merchant,
    id: wish.id,
    order: order.id,
    verdict: wish.verdict,
    revision: wish.revision,
    after: wish.afterNumber,
    actor,
    reason: wish.reason,
    key: key ?? null,
  })
  return accept({ wish })
}

function repeated({ wish, answer }: KeptWish, input: DecisionInput): Outcome<Begun> {
  if (wish.verdict !== input.verdict || wish.reason !== input.reason)
    return refuse(
      'idempotency_key_reused',
      'The key was used for another decision on this order.',
      {
        field: 'Idempotency-Key',
      },
    )
  return accept(answer ? { wish, answer } : { wish })
}

import { accept, newId, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { change, jsonOf, maybe, read, statement, transact } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import { lockOrder } from './order-lock.ts'
import type { PlacingDeps } from './place/place-orders.ts'
import { postponeWithdrawal, settleWithdrawal } from './settle-withdrawal.ts'

/** Taking an order back: cancelled, rejected by a reviewer, or sent elsewhere. */
export type WithdrawalWish = {
  readonly orderId: string
  readonly kind: 'cancel' | 'reject' | 'amend'
  readonly actor: string
  readonly reason: string
  /** The new address, for `amend`. */
  readonly shipTo?: Readonly<Record<string, string>>
}

/** A recorded wish, as it is kept until fulfillment has answered. */
export type Withdrawal = {
  readonly merchant: string
  readonly id: string
  readonly orderId: string
  readonly kind: 'cancel' | 'reject' | 'amend'
  readonly revision: number
  readonly actor: string
  readonly reason: string
  readonly shipTo: Readonly<Record<string, string>> | null
}

/** What fulfillment says of a wish. Of `partly`, the goods at `freedLocations` will not leave. */
export type WithdrawalWord = {
  readonly kind: 'withdrawn' | 'recalling' | 'shipped' | 'partly'
  readonly freedLocations: readonly string[]
}

/** Asks fulfillment to withdraw; it alone knows where the goods are. Faults mean "unknown". */
export type AskWithdrawal = (withdrawal: Withdrawal) => Promise<WithdrawalWord>

/**
 * `done`; `recalling` where partners are asked for what is sealed; `requested` where fulfillment could
 * not be asked now. Of the last two it is asked again, and nothing is lost.
 */
export type WithdrawalAnswer = {
  readonly withdrawalId: string
  readonly state: 'done' | 'recalling' | 'requested'
}

const insertWithdrawal = statement({
  name: 'orders.insert_withdrawal',
  params: {
    merchant: 'text',
    id: 'text',
    order: 'text',
    kind: 'text',
    revision: 'int4',
    actor: 'text',
    reason: 'text',
    ship_to: 'jsonb?',
  },
  text: `
    insert into orders.withdrawal
      (merchant_id, id, order_id, kind, revision, actor, reason, ship_to, ask_after)
    values ($merchant, $id, $order, $kind, $revision, $actor, $reason, $ship_to,
            now() + interval '2 seconds')`,
})

const WITHDRAWAL_ROW = {
  id: 'text',
  order_id: 'text',
  kind: 'text',
  revision: 'int4',
  actor: 'text',
  reason: 'text',
  ship_to: jsonOf<Record<string, string> | null>(
    'written once from a parsed address, and the digest of the new revision covers it',
  ),
} as const

const selectOpen = statement({
  name: 'orders.select_open_withdrawal',
  params: { merchant: 'text', id: 'text' },
  row: WITHDRAWAL_ROW,
  text: `
    select id, order_id, kind, revision, actor, reason, ship_to from orders.withdrawal
     where merchant_id = $merchant and id = $id`,
})

const selectDue = statement({
  name: 'orders.select_due_withdrawals',
  params: { merchant: 'text' },
  row: WITHDRAWAL_ROW,
  text: `
    select id, order_id, kind, revision, actor, reason, ship_to from orders.withdrawal
     where merchant_id = $merchant and state = 'requested' and ask_after <= now()
     order by ask_after
     limit 100`,
})

/**
 * Cancels, rejects or re-addresses an order. Idempotent: asking again for what is done answers done.
 * Refuses `order_unknown`, `order_closed`, `decision_refused` (another change is under way),
 * `order_shipped` and `order_partly_shipped`. The wish is committed before fulfillment is asked, so no crash forgets it.
 */
export async function withdrawOrder(
  deps: PlacingDeps,
  ask: AskWithdrawal,
  wish: WithdrawalWish,
): Promise<Outcome<WithdrawalAnswer>> {
  const { context } = deps
  const recorded = await transact(context.database, (tx) => recordWish(tx, context.merchant, wish))
  if (!recorded.ok) return recorded
  if (recorded.value === 'already_done') return accept({ withdrawalId: '', state: 'done' })
  return finishWithdrawal(deps, ask, recorded.value)
}

/**
 * Takes up wishes that are open: their partners have not answered, fulfillment was unreachable, or a crash
 * left them. Each is asked for ever less often, at least every ten seconds. Ends at the first that
 * fulfillment does not answer. Returns how many it settled.
 */
export async function resumeWithdrawals(deps: PlacingDeps, ask: AskWithdrawal): Promise<number> {
  const open = await read(deps.context.database, selectDue, { merchant: deps.context.merchant })
  let settled = 0
  for (const row of open) {
    const answer = await finishWithdrawal(deps, ask, toWithdrawal(deps.context.merchant, row))
    if (!answer.ok || answer.value.state === 'done') settled += 1
    // Fulfillment did not answer: each of the others would wait for its deadline too, one after the other.
    if (answer.ok && answer.value.state === 'requested') break
  }
  return settled
}

async function finishWithdrawal(
  deps: PlacingDeps,
  ask: AskWithdrawal,
  withdrawal: Withdrawal,
): Promise<Outcome<WithdrawalAnswer>> {
  let word: WithdrawalWord
  try {
    word = await ask(withdrawal)
  } catch (fault) {
    await postponeWithdrawal(deps.context, withdrawal)
    deps.context.log.warn(
      { order_id: withdrawal.orderId, err: fault },
      'fulfillment could not be asked to withdraw the order; it will be asked again',
    )
    return accept({ withdrawalId: withdrawal.id, state: 'requested' })
  }
  return settleWithdrawal(deps, withdrawal, word)
}

async function recordWish(
  tx: Transaction,
  merchant: string,
  wish: WithdrawalWish,
): Promise<Outcome<Withdrawal | 'already_done'>> {
  const locked = await lockOrder(tx, merchant, wish.orderId)
  if (!locked.ok) return locked
  const order = locked.value
  if (order.state === END_STATE[wish.kind]) return accept('already_done')
  if (order.state !== 'placed') return refuse('order_closed', `The order is ${order.state}.`)
  if (order.open_withdrawal) {
    const open = await maybe(tx, selectOpen, { merchant, id: order.open_withdrawal })
    if (open?.kind === wish.kind && wish.kind !== 'amend')
      return accept(toWithdrawal(merchant, open))
    return refuse('decision_refused', `A change (${order.open_kind}) of the order is under way.`)
  }
  if (wish.kind === 'amend' && isSameAddress(order.ship_to, wish.shipTo ?? {}))
    return accept('already_done')
  const withdrawal: Withdrawal = {
    merchant,
    id: newId('cxl'),
    orderId: wish.orderId,
    kind: wish.kind,
    revision: order.revision,
    actor: wish.actor,
    reason: wish.reason,
    shipTo: wish.shipTo ?? null,
  }
  await change(tx, insertWithdrawal, {
    merchant,
    id: withdrawal.id,
    order: wish.orderId,
    kind: wish.kind,
    revision: order.revision,
    actor: wish.actor,
    reason: wish.reason,
    ship_to: wish.shipTo ? JSON.stringify(wish.shipTo) : null,
  })
  return accept(withdrawal)
}

const END_STATE = { cancel: 'cancelled', reject: 'rejected', amend: '' } as const

function isSameAddress(
  a: Readonly<Record<string, string>>,
  b: Readonly<Record<string, string>>,
): boolean {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...keys].every((key) => a[key] === b[key])
}

function toWithdrawal(
  merchant: string,
  row: {
    id: string
    order_id: string
    kind: string
    revision: number
    actor: string
    reason: string
    ship_to: Record<string, string> | null
  },
): Withdrawal {
  return {
    merchant,
    id: row.id,
    orderId: row.order_id,
    kind: row.kind === 'amend' ? 'amend' : row.kind === 'reject' ? 'reject' : 'cancel',
    revision: row.revision,
    actor: row.actor,
    reason: row.reason,
    shipTo: row.ship_to,
  }
}

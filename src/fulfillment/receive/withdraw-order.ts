import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { appendEvents, change, many, maybe, statement, withTransaction } from '#platform/index.ts'
import type { Context, Transaction } from '#platform/index.ts'
import { lockByOrder, lockGates } from '../fulfillment-statements.ts'

/** The wish to take an order back, up to and with a revision. */
export type WithdrawalWish = {
  readonly id: string
  readonly orderId: string
  readonly revision: number
  readonly kind: 'cancel' | 'reject' | 'amend'
}

/** `sealed`: too late, nothing was written. */
export type WithdrawalOutcome = 'withdrawn' | 'sealed'

const selectWithdrawal = statement({
  name: 'fulfillment.select_withdrawal',
  params: { merchant: 'text', id: 'text' },
  row: { order_id: 'text', revision: 'int4' },
  text: `
    select order_id, revision from fulfillment.withdrawal
     where merchant_id = $merchant and id = $id`,
})

const insertWithdrawal = statement({
  name: 'fulfillment.insert_withdrawal',
  params: { merchant: 'text', order: 'text', revision: 'int4', id: 'text', kind: 'text' },
  text: `
    insert into fulfillment.withdrawal (merchant_id, order_id, revision, id, kind)
    values ($merchant, $order, $revision, $id, $kind)
    on conflict (merchant_id, order_id, revision) do nothing`,
})

const withdrawOrders = statement({
  name: 'fulfillment.withdraw_fulfillment_orders',
  params: { merchant: 'text', order: 'text', revision: 'int4' },
  row: { id: 'text' },
  text: `
    update fulfillment.fulfillment_order
       set state = 'withdrawn', cleared_by = null, cleared_verdict = null, effective_at = null,
           updated_at = now()
     where merchant_id = $merchant and order_id = $order and revision <= $revision
       and state in ('held', 'open')
    returning id`,
})

/**
 * Takes an order back in one transaction. Where any fulfillment order of it is sealed or beyond, the
 * answer is `sealed` and nothing is written; else all are withdrawn and a tombstone stays, so that
 * what arrives later is born withdrawn. The same withdrawal id again answers the same. Refused:
 * `handover_conflict` where the id was used for another order or revision.
 */
export async function withdrawOrder(
  context: Context,
  wish: WithdrawalWish,
): Promise<Outcome<WithdrawalOutcome>> {
  return withTransaction(context.database, (tx) => withdraw(tx, context.merchant, wish))
}

async function withdraw(
  tx: Transaction,
  merchant: string,
  wish: WithdrawalWish,
): Promise<Outcome<WithdrawalOutcome>> {
  await change(tx, lockGates, { merchant, orders: [wish.orderId] })
  const known = await maybe(tx, selectWithdrawal, { merchant, id: wish.id })
  if (known) {
    const isSame = known.order_id === wish.orderId && known.revision === wish.revision
    return isSame
      ? accept('withdrawn')
      : refuse('handover_conflict', `Withdrawal ${wish.id} was used for another order.`)
  }
  const rows = await many(tx, lockByOrder, { merchant, orders: [wish.orderId] })
  const concerned = rows.filter((row) => row.revision <= wish.revision)
  // A later generation that waits to be sealed: the first of it has shipped.
  const isTooLate = concerned.some((row) => SEALED.has(row.state) || row.generation > 1)
  if (isTooLate) return accept('sealed')
  const gone = await many(tx, withdrawOrders, {
    merchant,
    order: wish.orderId,
    revision: wish.revision,
  })
  await change(tx, insertWithdrawal, {
    merchant,
    order: wish.orderId,
    revision: wish.revision,
    id: wish.id,
    kind: wish.kind,
  })
  await appendEvents(
    tx,
    merchant,
    gone.map((row) => ({
      subjectId: row.id,
      kind: 'fulfillment.withdrawn',
      data: { order_id: wish.orderId, withdrawal_id: wish.id, kind: wish.kind },
    })),
  )
  return accept('withdrawn')
}

// What a partner definitely refused never ships, so it does not stop a withdrawal.
const SEALED = new Set(['sealed', 'accepted', 'shipped', 'delivered'])

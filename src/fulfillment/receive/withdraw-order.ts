import { accept, newId, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { appendEvents, change, many, maybe, statement, withTransaction } from '#platform/index.ts'
import type { Context, RowOf, Transaction } from '#platform/index.ts'
import {
  holdOrders,
  insertHolds,
  lockByOrder,
  lockGates,
  notifyWork,
  openHolds,
} from '../fulfillment-statements.ts'
import { insertRecallLines } from '../recall/line-statements.ts'

/** The wish to take an order back, up to and with a revision. */
export type WithdrawalWish = {
  readonly id: string
  readonly orderId: string
  readonly revision: number
  readonly kind: 'cancel' | 'reject' | 'amend'
}

/**
 * `recalling`: partners are asked, and the same wish tells later what came of it. `partly`: some goods
 * have left; the others, at `freedLocations`, will not.
 */
export type WithdrawalOutcome = {
  readonly kind: 'withdrawn' | 'recalling' | 'shipped' | 'partly'
  readonly freedLocations: readonly string[]
}

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
       and generation = 1 and state in ('held', 'open', 'rejected')
    returning id`,
})

const selectParts = statement({
  name: 'fulfillment.select_parts_of_order',
  params: { merchant: 'text', order: 'text', revision: 'int4' },
  row: {
    id: 'text',
    revision: 'int4',
    generation: 'int4',
    state: 'text',
    location_id: 'text',
    dispatch_id: 'text?',
    wish: 'text?',
    has_parcel: 'bool',
  },
  text: `
    select f.id, f.revision, f.generation, f.state, f.location_id, f.dispatch_id, r.state as wish,
           exists (select from fulfillment.shipment s
                    where s.merchant_id = f.merchant_id and s.fulfillment_id = f.id) as has_parcel
      from fulfillment.fulfillment_order f
      left join fulfillment.recall_line r
        on r.merchant_id = f.merchant_id and r.dispatch_id = f.dispatch_id
       and r.fulfillment_id = f.id
     where f.merchant_id = $merchant and f.order_id = $order and f.revision <= $revision
     order by f.id`,
})

/**
 * Takes an order back. What is not sealed is withdrawn, what is with a partner is asked back, and what has
 * left has left. Where nothing of it can leave any more, all is withdrawn and a tombstone stays, so that
 * what arrives later is born withdrawn. A change of address waits with all of its parts until each is
 * answered, and then ends them all or none. The same withdrawal id again tells how far it is. Refused:
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
      ? accept(WITHDRAWN)
      : refuse('handover_conflict', `Withdrawal ${wish.id} was used for another order.`)
  }
  await many(tx, lockByOrder, { merchant, orders: [wish.orderId] })
  const { orderId: order, revision } = wish
  const parts = await many(tx, selectParts, { merchant, order, revision })
  const pending = parts.filter((one) => isWithPartner(one) && !hasLeft(one))
  const left = parts.filter(hasLeft)
  if (pending.length > 0) {
    await askBack(tx, merchant, wish, pending)
    await stop(tx, merchant, wish, parts)
    return accept({ kind: 'recalling', freedLocations: [] })
  }
  if (left.length === 0) {
    await takeBack(tx, merchant, wish)
    const { id, kind } = wish
    await change(tx, insertWithdrawal, { merchant, order, revision, id, kind })
    return accept(WITHDRAWN)
  }
  await stop(tx, merchant, wish, parts)
  const freed = parts.filter(
    (one) => one.revision === revision && one.generation === 1 && !isWithPartner(one),
  )
  const stopped = freed.filter((one) => !LEFT.has(one.state)).map((one) => one.location_id)
  const kind = stopped.length > 0 ? 'partly' : 'shipped'
  return accept({ kind, freedLocations: [...new Set(stopped)].toSorted() })
}

const WITHDRAWN: WithdrawalOutcome = { kind: 'withdrawn', freedLocations: [] }

type Part = RowOf<typeof selectParts.row>

const LEFT = new Set(['shipped', 'delivered'])
// What a partner definitely refused never ships, so it does not stop a withdrawal.
const isWithPartner = ({ state }: Part): boolean => state === 'sealed' || state === 'accepted'
// Of a part that came back after its first parcel, and of one that is sent anew, something has left.
const hasLeft = (part: Part): boolean =>
  LEFT.has(part.state) ||
  (isWithPartner(part) && part.wish === 'too_late') ||
  ((part.has_parcel || part.generation > 1) && !isWithPartner(part))

async function askBack(
  tx: Transaction,
  merchant: string,
  wish: WithdrawalWish,
  pending: readonly Part[],
): Promise<void> {
  for (const dispatch of new Set(pending.map((one) => one.dispatch_id ?? ''))) {
    const asked = await many(tx, insertRecallLines, {
      merchant,
      dispatch,
      fulfillments: pending.flatMap((one) => (one.dispatch_id === dispatch ? [one.id] : [])),
      cause: wish.kind,
      actor: 'orders',
      reason: wish.id,
    })
    await appendEvents(
      tx,
      merchant,
      asked.map((row) => ({
        subjectId: row.fulfillment_id,
        kind: 'fulfillment.recall_requested',
        data: { order_id: wish.orderId, withdrawal_id: wish.id, code: wish.kind },
      })),
    )
  }
  await many(tx, notifyWork, { topic: 'fulfillment' })
}

/** Stops what no partner has: ended for good, or held until a change of address is answered. */
async function stop(
  tx: Transaction,
  merchant: string,
  wish: WithdrawalWish,
  parts: readonly Part[],
): Promise<void> {
  if (wish.kind !== 'amend') return takeBack(tx, merchant, wish)
  const open = parts
    .filter((one) => one.state === 'held' || one.state === 'open')
    .map(({ id }) => id)
  if (open.length === 0) return
  const holds = await many(tx, openHolds, { merchant, fulfillments: open })
  const isHeld = new Set(
    holds.flatMap((one) => (one.kind === 'operator' ? one.fulfillment_id : [])),
  )
  const free = open.filter((id) => !isHeld.has(id))
  if (free.length === 0) return
  await many(tx, holdOrders, { merchant, ids: free })
  await change(tx, insertHolds, {
    merchant,
    ids: free.map(() => newId('hold')),
    fulfillments: free,
    kind: 'operator',
    reasons: free.map(() => JSON.stringify(['address_change'])),
    actor: 'orders',
  })
  await appendEvents(
    tx,
    merchant,
    free.map((id) => ({
      subjectId: id,
      kind: 'fulfillment.held',
      data: { order_id: wish.orderId, reasons: ['address_change'] },
    })),
  )
}

async function takeBack(tx: Transaction, merchant: string, wish: WithdrawalWish): Promise<void> {
  const { orderId: order, revision } = wish
  const gone = await many(tx, withdrawOrders, { merchant, order, revision })
  await appendEvents(
    tx,
    merchant,
    gone.map((row) => ({
      subjectId: row.id,
      kind: 'fulfillment.withdrawn',
      data: { order_id: order, withdrawal_id: wish.id, kind: wish.kind },
    })),
  )
}

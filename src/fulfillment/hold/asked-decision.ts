import { many, statement } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import type { StoredVerdict } from './settle-holds.ts'

/** The HOLD that was asked for under an id, if any. */
export const selectAsked = statement({
  name: 'fulfillment.select_asked_decision',
  params: { merchant: 'text', id: 'text' },
  row: { order_id: 'text', revision: 'int4', state: 'text' },
  text: `
    select order_id, revision, state from fulfillment.asked_decision
     where merchant_id = $merchant and id = $id`,
})

/** Keeps that a HOLD was asked for, or that it was dropped before it was ever asked for. */
export const insertAsked = statement({
  name: 'fulfillment.insert_asked_decision',
  params: { merchant: 'text', id: 'text', order: 'text', revision: 'int4', state: 'text' },
  text: `
    insert into fulfillment.asked_decision (merchant_id, id, order_id, revision, state, settled_at)
    values ($merchant, $id, $order, $revision, $state,
            case when $state <> 'standing' then now() end)`,
})

/** Ends a HOLD that was asked for and never recorded. */
export const dropAsked = statement({
  name: 'fulfillment.drop_asked_decision',
  params: { merchant: 'text', id: 'text' },
  text: `
    update fulfillment.asked_decision set state = 'dropped', settled_at = now()
     where merchant_id = $merchant and id = $id and state = 'standing'`,
})

// Its decision arrived and speaks for itself, or the order has a newer revision with decisions of its own.
const endArrived = statement({
  name: 'fulfillment.end_arrived_decisions',
  params: { merchant: 'text', orders: 'text[]' },
  row: { id: 'text' },
  text: `
    update fulfillment.asked_decision a set state = 'arrived', settled_at = now()
     where a.merchant_id = $merchant and a.order_id = any($orders) and a.state = 'standing'
       and exists (select from fulfillment.decision d
                    where d.merchant_id = a.merchant_id and d.order_id = a.order_id
                      and (d.id = a.id or d.revision > a.revision))
    returning a.id`,
})

const selectStanding = statement({
  name: 'fulfillment.select_standing_decisions',
  params: { merchant: 'text', orders: 'text[]' },
  row: { order_id: 'text', id: 'text', revision: 'int4', asked_at: 'timestamptz' },
  text: `
    select distinct on (order_id) order_id, id, revision, asked_at from fulfillment.asked_decision
     where merchant_id = $merchant and order_id = any($orders) and state = 'standing'
     order by order_id, revision desc, id`,
})

/**
 * The HOLD that stands over each order because it was asked for, whichever decisions have arrived. Ends
 * those whose decision has. Call it under the locks of the orders.
 */
export async function standingHolds(
  tx: Transaction,
  merchant: string,
  orders: readonly string[],
): Promise<ReadonlyMap<string, StoredVerdict>> {
  await many(tx, endArrived, { merchant, orders })
  const rows = await many(tx, selectStanding, { merchant, orders })
  return new Map(
    rows.map(({ order_id, id, revision, asked_at }) => [
      order_id,
      { id, verdict: 'hold', reasons: ['reviewer'], revision, effectiveAt: asked_at },
    ]),
  )
}

/** No HOLD that was asked for stands over a `fulfillment_order` named `f`, as SQL. */
export const NO_HOLD_STANDS = `not exists (
         select from fulfillment.asked_decision a
          where a.merchant_id = f.merchant_id and a.order_id = f.order_id
            and a.revision >= f.revision and a.state = 'standing')`

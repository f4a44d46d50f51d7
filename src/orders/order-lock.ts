import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { jsonOf, maybe, statement } from '#platform/index.ts'
import type { RowOf, Transaction } from '#platform/index.ts'
import { orderDigest } from '#wire/index.ts'
import type { OrderLine } from './order-line.ts'

/** An order under lock, with its last decision number and any change that is under way. */
const lockOrderStatement = statement({
  name: 'orders.lock_order',
  params: { merchant: 'text', id: 'text' },
  row: {
    id: 'text',
    state: 'text',
    order_number: 'text',
    revision: 'int4',
    customer: 'text?',
    country: 'text?',
    currency: 'text',
    goods_minor: 'int8',
    lines: jsonOf<readonly OrderLine[]>(
      'written once from parsed input, and the order digest covers it',
    ),
    ship_to: jsonOf<Record<string, string>>(
      'written once from parsed input, and the order digest covers it',
    ),
    order_digest: 'bytea',
    ship_by: 'timestamptz?',
    identity: 'text?',
    now_ms: 'int8',
  },
  text: `
    select id, state, order_number, revision, customer, country, currency, goods_minor, lines, ship_to, order_digest, ship_by,
           identity,
           (extract(epoch from now()) * 1000)::int8 as now_ms
      from orders."order"
     where merchant_id = $merchant and id = $id
       for update`,
})

const selectProgress = statement({
  name: 'orders.select_progress',
  params: { merchant: 'text', id: 'text' },
  row: { last_number: 'int4', last_verdict: 'text?', open_withdrawal: 'text?', open_kind: 'text?' },
  text: `
    select coalesce((select max(number) from orders.decision
                      where merchant_id = $merchant and order_id = $id), 0) as last_number,
           (select verdict from orders.decision where merchant_id = $merchant and order_id = $id
             order by number desc limit 1) as last_verdict,
           (select id from orders.withdrawal where merchant_id = $merchant and order_id = $id
               and state = 'requested') as open_withdrawal,
           (select kind from orders.withdrawal where merchant_id = $merchant and order_id = $id
               and state = 'requested') as open_kind`,
})

/** A locked order and how far it has come. */
export type LockedOrder = RowOf<typeof lockOrderStatement.row> & RowOf<typeof selectProgress.row>

/** The digest of an order as it is stored, with an address; what decisions and certificates cover. */
export function digestOf(
  merchant: string,
  order: Pick<LockedOrder, 'id' | 'currency' | 'lines'>,
  shipTo: Readonly<Record<string, string>>,
): Buffer {
  return orderDigest({
    merchant,
    orderId: order.id,
    currency: order.currency,
    shipTo,
    lines: order.lines.map((line) => ({ lineId: String(line.line), sku: line.sku, qty: line.qty })),
  })
}

/** Locks one order for a change of its life; `order_unknown` where there is none. */
export async function lockOrder(
  tx: Transaction,
  merchant: string,
  id: string,
): Promise<Outcome<LockedOrder>> {
  const order = await maybe(tx, lockOrderStatement, { merchant, id })
  if (!order) return refuse('order_unknown', `There is no order ${id}.`)
  const progress = await maybe(tx, selectProgress, { merchant, id })
  return accept({
    ...order,
    ...(progress ?? { last_number: 0, last_verdict: null, open_withdrawal: null, open_kind: null }),
  })
}

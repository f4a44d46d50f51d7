import { jsonOf, read, statement } from '#platform/index.ts'
import type { Database, RowOf } from '#platform/index.ts'
import type { OrderLine } from './order-line.ts'

const ORDER_ROW = {
  id: 'text',
  order_number: 'text',
  reference: 'text?',
  source: 'text',
  customer: 'text?',
  country: 'text?',
  currency: 'text',
  goods_minor: 'int8',
  total_minor: 'int8',
  state: 'text',
  revision: 'int4',
  placed_at: 'timestamptz',
  recorded_at: 'timestamptz',
  ship_by: 'timestamptz?',
  promise_version: 'int4?',
  verdict: 'text',
  reasons: 'text[]',
} as const

const selectOrder = statement({
  name: 'orders.select_order',
  params: { merchant: 'text', id: 'text' },
  row: {
    ...ORDER_ROW,
    lines: jsonOf<readonly OrderLine[]>('shown as it stands: nothing is decided by it'),
    ship_to: jsonOf<Record<string, string>>('shown as it stands: nothing is decided by it'),
    change_kind: 'text?',
    change_state: 'text?',
    change_refusal: 'text?',
  },
  text: `
    select o.id, o.order_number, o.reference, o.source, o.customer, o.country, o.currency, o.goods_minor,
           o.total_minor, o.state, o.revision, o.placed_at, o.recorded_at, o.ship_by, o.promise_version, o.lines, o.ship_to,
           coalesce(d.verdict, 'unset') as verdict, coalesce(d.reasons, '{}') as reasons,
           w.kind as change_kind, w.state as change_state, w.refusal as change_refusal
      from orders."order" o
      left join lateral (select verdict, reasons from orders.decision
                          where merchant_id = o.merchant_id and order_id = o.id
                          order by number desc limit 1) d on true
      left join lateral (select kind, state, refusal from orders.withdrawal
                          where merchant_id = o.merchant_id and order_id = o.id
                          order by id desc limit 1) w on true
     where o.merchant_id = $merchant
       and o.id = coalesce((select order_id from orders.order_reference
                             where merchant_id = $merchant and reference = $id), $id)`,
})

const selectOrders = statement({
  name: 'orders.select_orders',
  params: { merchant: 'text', state: 'text?', verdict: 'text?', after: 'text?', limit: 'int4' },
  row: ORDER_ROW,
  text: `
    select o.id, o.order_number, o.reference, o.source, o.customer, o.country, o.currency, o.goods_minor,
           o.total_minor, o.state, o.revision, o.placed_at, o.recorded_at, o.ship_by, o.promise_version,
           coalesce(d.verdict, 'unset') as verdict, coalesce(d.reasons, '{}') as reasons
      from orders."order" o
      left join lateral (select verdict, reasons from orders.decision
                          where merchant_id = o.merchant_id and order_id = o.id
                          order by number desc limit 1) d on true
     where o.merchant_id = $merchant
       and ($after is null or o.id < $after)
       and ($state is null or o.state = $state)
       and ($verdict is null or coalesce(d.verdict, 'unset') = $verdict)
     order by o.id desc
     limit $limit`,
})

const selectDecisions = statement({
  name: 'orders.select_decisions',
  params: { merchant: 'text', id: 'text' },
  row: {
    number: 'int4',
    id: 'text',
    verdict: 'text',
    reasons: 'text[]',
    decided_by: 'text',
    actor: 'text',
    note: 'text?',
    rule_version: 'int4',
    effective_at: 'timestamptz',
    recorded_at: 'timestamptz',
    is_waiting: 'bool',
  },
  text: `
    select d.number, d.id, d.verdict, d.reasons, d.decided_by, d.actor, d.note, d.rule_version,
           d.effective_at, d.recorded_at, q.order_id is not null as is_waiting
      from orders.decision d
      left join orders.handover_outbox q
        on q.merchant_id = d.merchant_id and q.order_id = d.order_id and q.number = d.number
     where d.merchant_id = $merchant and d.order_id = $id
     order by d.number`,
})

const countOrders = statement({
  name: 'orders.count_orders',
  params: { merchant: 'text' },
  row: {
    placed: 'int8',
    cancelled: 'int8',
    rejected: 'int8',
    outbox: 'int8',
    outbox_oldest_s: 'float8?',
    open_withdrawals: 'int8',
  },
  text: `
    select (select count(*) from orders."order" where merchant_id = $merchant and state = 'placed') as placed,
           (select count(*) from orders."order" where merchant_id = $merchant and state = 'cancelled') as cancelled,
           (select count(*) from orders."order" where merchant_id = $merchant and state = 'rejected') as rejected,
           (select count(*) from orders.handover_outbox where merchant_id = $merchant) as outbox,
           (select extract(epoch from now() - min(recorded_at))::float8 from orders.handover_outbox
             where merchant_id = $merchant) as outbox_oldest_s,
           (select count(*) from orders.withdrawal where merchant_id = $merchant and state = 'requested')
             as open_withdrawals`,
})

const selectHoldRate = statement({
  name: 'orders.select_hold_rate',
  params: { merchant: 'text' },
  row: { decided: 'int8', held: 'int8' },
  text: `
    select count(*) as decided, count(*) filter (where verdict = 'hold') as held
      from (select verdict from orders.decision
             where merchant_id = $merchant and number = 1
             order by id desc
             limit 200) last`,
})

/** One order as the lists show it. */
export type OrderSummary = RowOf<typeof selectOrders.row>
/** One order with its lines and address. */
export type OrderDetail = RowOf<typeof selectOrder.row>
/** One decision of an order. */
export type DecisionRow = RowOf<typeof selectDecisions.row>

/** An order by its id or its merchant reference. */
export async function findOrder(
  database: Database,
  merchant: string,
  id: string,
): Promise<OrderDetail | undefined> {
  return (await read(database, selectOrder, { merchant, id }))[0]
}

/** A page of orders, newest first; `after` is the last id of the page before. */
export async function listOrders(
  database: Database,
  merchant: string,
  page: {
    state?: string | undefined
    verdict?: string | undefined
    after?: string | undefined
    limit: number
  },
): Promise<readonly OrderSummary[]> {
  return read(database, selectOrders, {
    merchant,
    state: page.state ?? null,
    verdict: page.verdict ?? null,
    after: page.after ?? null,
    limit: page.limit,
  })
}

/** Every decision of an order, in order. */
export async function listDecisions(
  database: Database,
  merchant: string,
  id: string,
): Promise<readonly DecisionRow[]> {
  return read(database, selectDecisions, { merchant, id })
}

/** Orders by state, and what waits for the hand-over. */
export async function orderCounts(
  database: Database,
  merchant: string,
): Promise<RowOf<typeof countOrders.row>> {
  const [row] = await read(database, countOrders, { merchant })
  return (
    row ?? {
      placed: 0,
      cancelled: 0,
      rejected: 0,
      outbox: 0,
      outbox_oldest_s: null,
      open_withdrawals: 0,
    }
  )
}

/** Held ÷ decided over the last 200 decisions; undefined under 50, so that a young shop has no rate. */
export async function holdRate(database: Database, merchant: string): Promise<number | undefined> {
  const [row] = await read(database, selectHoldRate, { merchant })
  return row && row.decided >= 50 ? row.held / row.decided : undefined
}

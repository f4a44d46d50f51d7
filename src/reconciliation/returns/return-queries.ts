import { read, statement } from '#platform/index.ts'
import type { Database, RowOf } from '#platform/index.ts'

const selectOfOrder = statement({
  name: 'reconciliation.select_returns_of_order',
  params: { merchant: 'text', order: 'text' },
  row: {
    return_id: 'text',
    line_no: 'int4',
    sku: 'text',
    qty: 'int8',
    condition: 'text',
    refund_minor: 'int8',
    currency: 'text',
    state: 'text',
    reason: 'text?',
    actor: 'text',
    note: 'text?',
    returned_at: 'timestamptz',
    recorded_at: 'timestamptz',
  },
  text: `
    select l.return_id, l.line_no, l.sku, l.qty, l.condition, l.refund_minor, r.currency, l.state,
           l.reason, r.actor, r.note, r.returned_at, r.recorded_at
      from reconciliation.return_line l
      join reconciliation."return" r on r.merchant_id = l.merchant_id and r.id = l.return_id
     where l.merchant_id = $merchant and l.order_id = $order
     order by r.returned_at, l.return_id, l.line_no
     limit 1000`,
})

const selectTotals = statement({
  name: 'reconciliation.select_return_totals',
  params: { merchant: 'text' },
  row: {
    currency: 'text',
    returns: 'int8',
    charges_minor: 'int8',
    accepted_lines: 'int8',
    accepted_units: 'int8',
    restocked_units: 'int8',
    refunded_minor: 'int8',
    unmatched_lines: 'int8',
    unmatched_units: 'int8',
    unmatched_minor: 'int8',
  },
  text: `
    with docs as (
      select currency, count(*) as returns, sum(charges_minor) as charges_minor
        from reconciliation."return" where merchant_id = $merchant group by currency
    ), lines as (
      select r.currency,
             count(*) filter (where l.state = 'accepted') as accepted_lines,
             sum(l.qty) filter (where l.state = 'accepted') as accepted_units,
             sum(l.qty) filter (where l.state = 'accepted' and l.condition = 'restock') as restocked,
             sum(l.refund_minor) filter (where l.state = 'accepted') as refunded_minor,
             count(*) filter (where l.state = 'unmatched') as unmatched_lines,
             sum(l.qty) filter (where l.state = 'unmatched') as unmatched_units,
             sum(l.refund_minor) filter (where l.state = 'unmatched') as unmatched_minor
        from reconciliation.return_line l
        join reconciliation."return" r on r.merchant_id = l.merchant_id and r.id = l.return_id
       where l.merchant_id = $merchant
       group by r.currency
    )
    select d.currency, d.returns, d.charges_minor::int8 as charges_minor,
           coalesce(l.accepted_lines, 0)::int8 as accepted_lines,
           coalesce(l.accepted_units, 0)::int8 as accepted_units,
           coalesce(l.restocked, 0)::int8 as restocked_units,
           coalesce(l.refunded_minor, 0)::int8 as refunded_minor,
           coalesce(l.unmatched_lines, 0)::int8 as unmatched_lines,
           coalesce(l.unmatched_units, 0)::int8 as unmatched_units,
           coalesce(l.unmatched_minor, 0)::int8 as unmatched_minor
      from docs d left join lines l on l.currency = d.currency
     order by d.currency`,
})

/** A returned line of an order, with what was credited for it. */
export type OrderReturn = RowOf<typeof selectOfOrder.row>
/** All returns by currency, in units and minor units. Charges are credits that no line stands for. */
export type ReturnTotals = readonly RowOf<typeof selectTotals.row>[]

/** What came back of an order, oldest first. */
export async function returnsOfOrder(
  database: Database,
  merchant: string,
  order: string,
): Promise<readonly OrderReturn[]> {
  return read(database, selectOfOrder, { merchant, order })
}

/** How all returns of the merchant stand, by currency. */
export async function returnTotals(database: Database, merchant: string): Promise<ReturnTotals> {
  return read(database, selectTotals, { merchant })
}

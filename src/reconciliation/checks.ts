import { statement } from '#platform/index.ts'

// Every row that a query returns is a violation; it says which thing and what of it.
const INVARIANTS = [
  {
    claim: 'what a reship reserves waits for a generation that may still ship',
    sql: `select m.subject_id as subject, sum(m.reserved_delta) || ' reserved' as detail
            from inventory.movement m
           where m.merchant_id = $merchant and m.subject_id like 'rsh\\_%'
             and not exists (select from fulfillment.generation g
                              join fulfillment.fulfillment_order f
                                on f.merchant_id = g.merchant_id and f.id = g.fulfillment_id
                               and f.generation = g.generation
                             where g.merchant_id = m.merchant_id and g.reship_id = m.subject_id
                               and f.state not in ('withdrawn', 'recalled', 'shipped', 'delivered'))
           group by m.subject_id
          having sum(m.reserved_delta) <> 0
           limit 100`,
  },
  {
    claim: 'no order line came back more often than it was issued',
    sql: `select r.order_id || ' line ' || r.order_line || ' at ' || r.location_id as subject,
                 r.returned || ' of ' || coalesce(-sum(m.on_hand_delta), 0) as detail
            from reconciliation.returned_line r
            left join inventory.movement m
              on m.merchant_id = r.merchant_id and m.subject_id = r.order_id and m.line_no = r.order_line
             and m.location_id = r.location_id and m.kind = 'issue'
           where r.merchant_id = $merchant
           group by r.order_id, r.order_line, r.location_id, r.returned
          having r.returned > coalesce(-sum(m.on_hand_delta), 0)
           limit 100`,
  },
  {
    claim: 'every counter of returned units is the sum of its parts',
    sql: `select coalesce(r.order_id, p.order_id) || ' line ' || coalesce(r.order_line, p.order_line)
                   as subject,
                 'counter ' || coalesce(r.returned, 0) || ' parts ' || coalesce(p.qty, 0) as detail
            from (select order_id, order_line, location_id, returned
                    from reconciliation.returned_line where merchant_id = $merchant) r
            full join (select order_id, order_line, location_id, sum(qty) as qty
                         from reconciliation.return_part where merchant_id = $merchant
                        group by order_id, order_line, location_id) p
              on p.order_id = r.order_id and p.order_line = r.order_line
             and p.location_id = r.location_id
           where coalesce(r.returned, 0) <> coalesce(p.qty, 0)
           limit 100`,
  },
  {
    claim: 'every accepted line of a return took back exactly its units, an unmatched one none',
    sql: `select l.return_id || ' line ' || l.line_no as subject,
                 l.state || ': ' || coalesce(p.qty, 0) || ' of ' || l.qty as detail
            from reconciliation.return_line l
            left join (select return_id, line_no, sum(qty) as qty from reconciliation.return_part
                        where merchant_id = $merchant group by return_id, line_no) p
              on p.return_id = l.return_id and p.line_no = l.line_no
           where l.merchant_id = $merchant
             and coalesce(p.qty, 0) <> case when l.state = 'accepted' then l.qty else 0 end
           limit 100`,
  },
  {
    claim: 'what came back whole is in the stock ledger, and nothing else is',
    sql: `with wanted as (
            select p.order_id, p.order_line, p.location_id, p.return_id || '#' || p.line_no as source, p.qty
              from reconciliation.return_part p
              join reconciliation.return_line l
                on l.merchant_id = p.merchant_id and l.return_id = p.return_id and l.line_no = p.line_no
             where p.merchant_id = $merchant and l.condition = 'restock'
          ), booked as (
            select subject_id, line_no, location_id, source_id, on_hand_delta
              from inventory.movement where merchant_id = $merchant and kind = 'return'
          )
          select coalesce(w.source, b.source_id) as subject,
                 'returned ' || coalesce(w.qty, 0) || ' booked ' || coalesce(b.on_hand_delta, 0) as detail
            from wanted w
            full join booked b
              on b.subject_id = w.order_id and b.line_no = w.order_line
             and b.location_id = w.location_id and b.source_id = w.source
           where coalesce(w.qty, 0) <> coalesce(b.on_hand_delta, 0)
           limit 100`,
  },
  {
    claim: 'the charges of every return sum up to its total',
    sql: `select r.id as subject, r.charges_minor || ' of ' || c.sum as detail
            from reconciliation."return" r,
                 lateral (select coalesce(sum(qty * unit_price_minor), 0) as sum
                            from jsonb_to_recordset(r.charges) as x(qty bigint, unit_price_minor bigint)) c
           where r.merchant_id = $merchant and c.sum <> r.charges_minor
           limit 100`,
  },
  {
    claim: 'every accepted line of a count moved the book by its difference, and no other did',
    sql: `with wanted as (
            select 'count:' || count_id || ':' || line_no as id, sku, location_id, difference
              from reconciliation.stock_proposal where merchant_id = $merchant and state = 'accepted'
          ), booked as (
            select m.source_id as id, m.sku, m.location_id, m.on_hand_delta
              from reconciliation.stock_proposal p
              join inventory.movement m
                on m.merchant_id = p.merchant_id and m.kind = 'count'
               and m.subject_id = 'count:' || p.count_id || ':' || p.line_no
             where p.merchant_id = $merchant
          )
          select coalesce(w.id, b.id) as subject,
                 'difference ' || coalesce(w.difference, 0) || ' booked ' || coalesce(b.on_hand_delta, 0)
                   as detail
            from wanted w
            full join booked b on b.id = w.id and b.sku = w.sku and b.location_id = w.location_id
           where coalesce(w.difference, 0) <> coalesce(b.on_hand_delta, 0)
           limit 100`,
  },
  {
    claim:
      'no units of an order are matched with bills beyond what its partner was given and shipped',
    sql: `with matched as (
            select partner_id, order_id, sku, sum(matched_units) as units
              from reconciliation.invoice_line
             where merchant_id = $merchant and matched_units > 0
             group by partner_id, order_id, sku
          ), shipped as (
            select f.partner_id, f.order_id, x ->> 'sku' as sku, sum((x ->> 'qty')::bigint) as units
              from fulfillment.shipment s
              join fulfillment.fulfillment_order f
                on f.merchant_id = s.merchant_id and f.id = s.fulfillment_id,
                   jsonb_array_elements(s.lines) x
             where s.merchant_id = $merchant
             group by 1, 2, 3
          )
          select m.partner_id || ' ' || m.order_id || ' ' || m.sku as subject,
                 m.units || ' of ' || coalesce(s.units, 0) as detail
            from matched m
            left join shipped s
              on s.partner_id = m.partner_id and s.order_id = m.order_id and s.sku = m.sku
           where m.units > coalesce(s.units, 0)
           limit 100`,
  },
] as const

/** Invariants of reconciliation, for `holdfast verify`: each statement returns what breaks it. */
export const reconciliationChecks = INVARIANTS.map(({ claim, sql }, index) => ({
  claim,
  find: statement({
    name: `reconciliation.check_${index + 1}`,
    params: { merchant: 'text' },
    row: { subject: 'text', detail: 'text' },
    text: sql,
  }),
}))

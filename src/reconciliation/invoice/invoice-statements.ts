import { statement } from '#platform/index.ts'

/** Makes a partner's row, and locks it: bills of one partner are judged one after the other. */
export const lockBilling = statement({
  name: 'reconciliation.lock_billing',
  params: { merchant: 'text', partners: 'text[]' },
  row: { partner_id: 'text' },
  text: `
    insert into reconciliation.partner_state as s (merchant_id, partner_id)
    select $merchant, p.id from partners.partner p
     where p.merchant_id = $merchant and p.id = any($partners)
     order by p.id
        on conflict (merchant_id, partner_id) do update set high_sequence = s.high_sequence
    returning partner_id`,
})

/** Lines of bills that were judged before. */
export const selectKnownLines = statement({
  name: 'reconciliation.select_known_invoice_lines',
  params: { merchant: 'text', partners: 'text[]', invoices: 'text[]' },
  row: { partner_id: 'text', invoice_id: 'text', line_no: 'int4', content_sha256: 'bytea' },
  text: `
    select partner_id, invoice_id, line_no, content_sha256 from reconciliation.invoice_line
     where merchant_id = $merchant and partner_id = any($partners) and invoice_id = any($invoices)`,
})

/** Orders by fulfillment id, order id or merchant reference. */
export const resolveOrders = statement({
  name: 'reconciliation.resolve_billed_orders',
  params: { merchant: 'text', refs: 'text[]' },
  row: { ref: 'text', order_id: 'text' },
  text: `
    select a.ref, coalesce(f.order_id, r.order_id, o.id) as order_id
      from unnest($refs) as a(ref)
      left join fulfillment.fulfillment_order f on f.merchant_id = $merchant and f.id = a.ref
      left join orders.order_reference r on r.merchant_id = $merchant and r.reference = a.ref
      left join orders."order" o on o.merchant_id = $merchant and o.id = a.ref
     where coalesce(f.order_id, r.order_id, o.id) is not null`,
})

/**
 * What a bill may be for, by partner, order and SKU: units that the partner was given and has shipped,
 * the lesser of the two, and how many of them earlier bills have had.
 */
export const selectShipped = statement({
  name: 'reconciliation.select_shipped_units',
  params: { merchant: 'text', partners: 'text[]', orders: 'text[]' },
  row: {
    partner_id: 'text',
    order_id: 'text',
    sku: 'text',
    units: 'int8',
    matched: 'int8',
    last_shipped_at: 'timestamptz?',
  },
  text: `
    with given as (
      select f.partner_id, f.order_id, x ->> 'sku' as sku,
             sum((x ->> 'qty')::bigint * g.given) as units
        from fulfillment.fulfillment_order f, jsonb_array_elements(f.lines) x,
             -- A generation that no partner has does not take back the one that shipped before it.
             lateral (select f.generation - case when f.state in
                        ('sealed', 'accepted', 'shipped', 'delivered') then 0 else 1 end as given) g
       where f.merchant_id = $merchant and f.order_id = any($orders) and f.partner_id = any($partners)
         and g.given > 0
       group by 1, 2, 3
    ), shipped as (
      select f.partner_id, f.order_id, x ->> 'sku' as sku, sum((x ->> 'qty')::bigint) as units,
             max(s.shipped_at) as last_shipped_at
        from fulfillment.fulfillment_order f
        join fulfillment.shipment s on s.merchant_id = f.merchant_id and s.fulfillment_id = f.id,
             jsonb_array_elements(s.lines) x
       where f.merchant_id = $merchant and f.order_id = any($orders) and f.partner_id = any($partners)
       group by 1, 2, 3
    ), billed as (
      select partner_id, order_id, sku, sum(matched_units) as units
        from reconciliation.invoice_line
       where merchant_id = $merchant and partner_id = any($partners) and order_id = any($orders)
         and matched_units > 0
       group by 1, 2, 3
    )
    select g.partner_id, g.order_id, g.sku, least(g.units, coalesce(s.units, 0))::int8 as units,
           coalesce(b.units, 0)::int8 as matched, s.last_shipped_at
      from given g
      left join shipped s on s.partner_id = g.partner_id and s.order_id = g.order_id and s.sku = g.sku
      left join billed b on b.partner_id = g.partner_id and b.order_id = g.order_id and b.sku = g.sku`,
})

/** Orders of which a partner shipped something in a time. */
export const selectShippedOrders = statement({
  name: 'reconciliation.select_shipped_orders',
  params: { merchant: 'text', partners: 'text[]', upto: 'timestamptz' },
  row: { order_id: 'text' },
  text: `
    select distinct f.order_id
      from fulfillment.shipment s
      join fulfillment.fulfillment_order f on f.merchant_id = s.merchant_id and f.id = s.fulfillment_id
     where s.merchant_id = $merchant and s.partner_id = any($partners) and s.shipped_at <= $upto`,
})

/** Writes judged lines down. */
export const insertLines = statement({
  name: 'reconciliation.insert_invoice_lines',
  params: {
    merchant: 'text',
    actor: 'text',
    partners: 'text[]',
    invoices: 'text[]',
    lines: 'int4[]',
    contents: 'bytea[]',
    refs: 'text[]',
    orders: 'text[]',
    skus: 'text[]',
    units: 'int8[]',
    amounts: 'int8[]',
    currencies: 'text[]',
    verdicts: 'text[]',
    matched: 'int8[]',
    disputed: 'int8[]',
  },
  text: `
    insert into reconciliation.invoice_line (merchant_id, partner_id, invoice_id, line_no, content_sha256,
        reference, order_id, sku, units, amount_minor, currency, verdict, matched_units, disputed_minor,
        actor)
    select $merchant, d.partner, d.invoice, d.line_no, d.content, d.ref, nullif(d.order_id, ''), d.sku,
           d.units, d.amount, d.currency, d.verdict, d.matched, d.disputed, $actor
      from (select unnest($partners) as partner, unnest($invoices) as invoice, unnest($lines) as line_no,
                   unnest($contents) as content, unnest($refs) as ref, unnest($orders) as order_id,
                   unnest($skus) as sku, unnest($units) as units, unnest($amounts) as amount,
                   unnest($currencies) as currency, unnest($verdicts) as verdict,
                   unnest($matched) as matched, unnest($disputed) as disputed) as d`,
})

/** Judged lines of bills, for an answer and for a claim. */
export const selectJudged = statement({
  name: 'reconciliation.select_judged_lines',
  params: { merchant: 'text', partners: 'text[]', invoices: 'text[]' },
  row: {
    partner_id: 'text',
    invoice_id: 'text',
    line_no: 'int4',
    reference: 'text',
    order_id: 'text?',
    sku: 'text',
    units: 'int8',
    amount_minor: 'int8',
    currency: 'text',
    verdict: 'text',
    matched_units: 'int8',
    disputed_minor: 'int8',
  },
  text: `
    select partner_id, invoice_id, line_no, reference, order_id, sku, units, amount_minor, currency,
           verdict, matched_units, disputed_minor
      from reconciliation.invoice_line
     where merchant_id = $merchant and partner_id = any($partners) and invoice_id = any($invoices)
     order by partner_id, invoice_id, line_no`,
})

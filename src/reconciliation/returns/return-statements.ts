import { jsonOf, statement } from '#platform/index.ts'

/** Writes the documents of returns; one that is there stays as it is. */
export const insertReturns = statement({
  name: 'reconciliation.insert_returns',
  params: {
    merchant: 'text',
    actor: 'text',
    source: 'text',
    ids: 'text[]',
    contents: 'bytea[]',
    customers: 'text[]',
    currencies: 'text[]',
    charges: 'text[]',
    charge_sums: 'int8[]',
    notes: 'text[]',
    returned: 'timestamptz[]',
  },
  row: { id: 'text' },
  text: `
    insert into reconciliation."return" (merchant_id, id, content_sha256, source, actor, customer,
        currency, charges, charges_minor, note, returned_at)
    select $merchant, d.id, d.content, $source, $actor, nullif(d.customer, ''), d.currency,
           d.charges::jsonb, d.charges_minor, nullif(d.note, ''), d.returned_at
      from (select unnest($ids) as id, unnest($contents) as content, unnest($customers) as customer,
                   unnest($currencies) as currency, unnest($charges) as charges,
                   unnest($charge_sums) as charges_minor, unnest($notes) as note,
                   unnest($returned) as returned_at) as d
     order by d.id
        on conflict do nothing
    returning id`,
})

/** Locks returns in id order, with the content they were recorded with. */
export const lockReturns = statement({
  name: 'reconciliation.lock_returns',
  params: { merchant: 'text', ids: 'text[]' },
  row: { id: 'text', content_sha256: 'bytea' },
  text: `
    with held as materialized (
      select merchant_id, id from reconciliation."return"
       where merchant_id = $merchant and id = any($ids)
       order by id
         for update
    )
    update reconciliation."return" r set tried_at = now()
      from held
     where r.merchant_id = held.merchant_id and r.id = held.id
    returning r.id, r.content_sha256`,
})

/** How the lines of returns stand. */
export const selectLineStates = statement({
  name: 'reconciliation.select_return_line_states',
  params: { merchant: 'text', ids: 'text[]' },
  row: { return_id: 'text', line_no: 'int4', state: 'text', reason: 'text?' },
  text: `
    select return_id, line_no, state, reason from reconciliation.return_line
     where merchant_id = $merchant and return_id = any($ids)`,
})

/** Orders by id or merchant reference. */
export const selectReturnable = statement({
  name: 'reconciliation.select_returnable_orders',
  params: { merchant: 'text', refs: 'text[]' },
  row: {
    ref: 'text',
    id: 'text',
    currency: 'text',
    lines: jsonOf<
      readonly {
        readonly line: number
        readonly sku: string
        readonly unit_price_minor: number
      }[]
    >('written once from parsed input, and the order digest covers it'),
  },
  text: `
    select a.ref, o.id, o.currency, o.lines
      from unnest($refs) as a(ref)
      left join orders.order_reference r on r.merchant_id = $merchant and r.reference = a.ref
      join orders."order" o on o.merchant_id = $merchant and o.id = coalesce(r.order_id, a.ref)`,
})

/** Makes the counters of everything that was issued for some orders. */
export const ensureReturned = statement({
  name: 'reconciliation.ensure_returned_lines',
  params: { merchant: 'text', orders: 'text[]' },
  text: `
    insert into reconciliation.returned_line (merchant_id, order_id, order_line, location_id, sku)
    select distinct m.merchant_id, m.subject_id, m.line_no, m.location_id, m.sku
      from inventory.movement m
     where m.merchant_id = $merchant and m.subject_id = any($orders) and m.kind = 'issue'
     order by 2, 3, 4
        on conflict do nothing`,
})

/** Locks the counters of some orders, in one order for all, with what is still out. */
export const lockReturned = statement({
  name: 'reconciliation.lock_returned_lines',
  params: { merchant: 'text', orders: 'text[]' },
  row: { order_id: 'text', order_line: 'int4', location_id: 'text', sku: 'text', open: 'int8' },
  text: `
    select r.order_id, r.order_line, r.location_id, r.sku,
           ((select coalesce(-sum(m.on_hand_delta), 0) from inventory.movement m
              where m.merchant_id = r.merchant_id and m.subject_id = r.order_id
                and m.line_no = r.order_line and m.location_id = r.location_id
                and m.kind = 'issue') - r.returned)::int8 as open
      from reconciliation.returned_line r
     where r.merchant_id = $merchant and r.order_id = any($orders)
     order by r.order_id, r.order_line, r.location_id
       for update of r`,
})

/** The guard: units come back only as far as the ledger says that they were issued. */
export const takeBack = statement({
  name: 'reconciliation.take_back',
  params: {
    merchant: 'text',
    orders: 'text[]',
    lines: 'int4[]',
    locations: 'text[]',
    units: 'int8[]',
  },
  row: { order_id: 'text' },
  text: `
    with d as materialized (
      select $merchant as merchant_id, u.order_id, u.order_line, u.location_id, u.units
        from (select unnest($orders) as order_id, unnest($lines) as order_line,
                     unnest($locations) as location_id, unnest($units) as units) as u
    )
    update reconciliation.returned_line r
       set returned = r.returned + d.units
      from d
     where r.merchant_id = d.merchant_id and r.order_id = d.order_id and r.order_line = d.order_line
       and r.location_id = d.location_id
       and r.returned + d.units <=
             (select coalesce(-sum(m.on_hand_delta), 0) from inventory.movement m
               where m.merchant_id = r.merchant_id and m.subject_id = r.order_id
                 and m.line_no = r.order_line and m.location_id = r.location_id and m.kind = 'issue')
    returning r.order_id`,
})

/** Writes lines as they were decided; an unmatched one may be decided again, an accepted one never. */
export const writeLines = statement({
  name: 'reconciliation.write_return_lines',
  params: {
    merchant: 'text',
    returns: 'text[]',
    numbers: 'int4[]',
    skus: 'text[]',
    units: 'int8[]',
    conditions: 'text[]',
    prices: 'int8[]',
    refunds: 'int8[]',
    refs: 'text[]',
    order_lines: 'int4[]',
    orders: 'text[]',
    reasons: 'text[]',
  },
  text: `
    insert into reconciliation.return_line as l (merchant_id, return_id, line_no, sku, qty, condition,
        unit_price_minor, refund_minor, order_ref, order_line, order_id, state, reason)
    select $merchant, d.return_id, d.line_no, d.sku, d.qty, d.condition, nullif(d.price, -1), d.refund,
           nullif(d.ref, ''), nullif(d.order_line, 0), nullif(d.order_id, ''),
           case when d.reason = '' then 'accepted' else 'unmatched' end, nullif(d.reason, '')
      from (select unnest($returns) as return_id, unnest($numbers) as line_no, unnest($skus) as sku,
                   unnest($units) as qty, unnest($conditions) as condition, unnest($prices) as price,
                   unnest($refunds) as refund, unnest($refs) as ref, unnest($order_lines) as order_line,
                   unnest($orders) as order_id, unnest($reasons) as reason) as d
        on conflict (merchant_id, return_id, line_no) do update
       set state = excluded.state, reason = excluded.reason, order_id = excluded.order_id,
           decided_at = now()
     where l.state = 'unmatched'`,
})

/** Writes which shipped units accepted lines took back. */
export const insertParts = statement({
  name: 'reconciliation.insert_return_parts',
  params: {
    merchant: 'text',
    returns: 'text[]',
    numbers: 'int4[]',
    orders: 'text[]',
    lines: 'int4[]',
    locations: 'text[]',
    skus: 'text[]',
    units: 'int8[]',
  },
  text: `
    insert into reconciliation.return_part
      (merchant_id, return_id, line_no, order_id, order_line, location_id, sku, qty)
    select $merchant, d.return_id, d.line_no, d.order_id, d.order_line, d.location_id, d.sku, d.qty
      from (select unnest($returns) as return_id, unnest($numbers) as line_no, unnest($orders) as order_id,
                   unnest($lines) as order_line, unnest($locations) as location_id, unnest($skus) as sku,
                   unnest($units) as qty) as d`,
})

import { statement } from '#platform/index.ts'

/**
 * Keeps the units that a partner will not ship, line by line. Told again they are the larger number; what
 * somebody has decided on stays as it is. Answers the orders of which something is open by now.
 */
export const insertOpenLines = statement({
  name: 'fulfillment.insert_open_lines',
  params: {
    merchant: 'text',
    cause: 'text',
    fulfillments: 'text[]',
    generations: 'int4[]',
    dispatches: 'text[]',
    lines: 'text[]',
    skus: 'text[]',
    units: 'int8[]',
    codes: 'text[]',
  },
  row: { fulfillment_id: 'text' },
  text: `
    insert into fulfillment.open_line as o
      (merchant_id, fulfillment_id, generation, dispatch_id, cause, line_id, sku, qty, code)
    select $merchant, l.fulfillment_id, l.generation, l.dispatch_id, $cause, l.line_id, l.sku, l.qty,
           l.code
      from (select unnest($fulfillments) as fulfillment_id, unnest($generations) as generation,
                   unnest($dispatches) as dispatch_id, unnest($lines) as line_id, unnest($skus) as sku,
                   unnest($units) as qty, unnest($codes) as code) as l
        on conflict (merchant_id, fulfillment_id, generation, dispatch_id, cause, line_id)
           do update set qty = excluded.qty
        where o.state = 'open' and o.qty < excluded.qty
    returning fulfillment_id`,
})

/** The open lines of a fulfillment order in its generation. */
export const selectOpenLines = statement({
  name: 'fulfillment.select_open_lines',
  params: { merchant: 'text', id: 'text', cause: 'text' },
  row: { dispatch_id: 'text', line_id: 'text', sku: 'text', qty: 'int8', generation: 'int4' },
  text: `
    select o.dispatch_id, o.line_id, o.sku, o.qty, o.generation
      from fulfillment.open_line o
      join fulfillment.fulfillment_order f
        on f.merchant_id = o.merchant_id and f.id = o.fulfillment_id and f.generation = o.generation
     where o.merchant_id = $merchant and o.fulfillment_id = $id and o.cause = $cause
       and o.state = 'open'
     order by o.line_id`,
})

/** Says what became of open lines, with the units that it is said of. */
export const decideOpenLines = statement({
  name: 'fulfillment.decide_open_lines',
  params: {
    merchant: 'text',
    id: 'text',
    cause: 'text',
    actor: 'text',
    lines: 'text[]',
    states: 'text[]',
    units: 'int8[]',
  },
  text: `
    with s as materialized (
      select $merchant as merchant_id, u.line_id, u.state, u.qty
        from (select unnest($lines) as line_id, unnest($states) as state, unnest($units) as qty) as u
    )
    update fulfillment.open_line o
       set state = s.state, qty = s.qty, decided_at = now(), decided_by = $actor
      from s
     where o.merchant_id = s.merchant_id and o.fulfillment_id = $id and o.cause = $cause
       and o.line_id = s.line_id and o.state = 'open'`,
})

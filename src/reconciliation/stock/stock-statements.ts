import { statement } from '#platform/index.ts'

/** Writes a count down once. */
export const insertCount = statement({
  name: 'reconciliation.insert_stock_count',
  params: {
    merchant: 'text',
    id: 'text',
    content: 'bytea',
    actor: 'text',
    counted_at: 'timestamptz?',
  },
  text: `
    insert into reconciliation.stock_count (merchant_id, id, content_sha256, actor, counted_at)
    values ($merchant, $id, $content, $actor, coalesce($counted_at, now()))
        on conflict do nothing`,
})

/** A count by id. */
export const selectCount = statement({
  name: 'reconciliation.select_stock_count',
  params: { merchant: 'text', id: 'text' },
  row: {
    id: 'text',
    content_sha256: 'bytea',
    actor: 'text',
    counted_at: 'timestamptz',
    recorded_at: 'timestamptz',
  },
  text: `
    select id, content_sha256, actor, counted_at, recorded_at from reconciliation.stock_count
     where merchant_id = $merchant and id = $id`,
})

/**
 * Proposes a correction for each line: what was counted against the book as it stood at the moment
 * of the count, which is the book of now without what moved since.
 */
export const insertProposals = statement({
  name: 'reconciliation.insert_stock_proposals',
  params: {
    merchant: 'text',
    count: 'text',
    lines: 'int4[]',
    skus: 'text[]',
    locations: 'text[]',
    counted: 'int8[]',
    prices: 'int8[]',
    currencies: 'text[]',
  },
  text: `
    with d as materialized (
      select u.*, c.counted_at
        from (select unnest($lines) as line_no, unnest($skus) as sku, unnest($locations) as location_id,
                     unnest($counted) as counted, unnest($prices) as price, unnest($currencies) as currency) as u,
             reconciliation.stock_count c
       where c.merchant_id = $merchant and c.id = $count
    ), since as materialized (
      select m.sku, m.location_id, sum(m.on_hand_delta) as units
        from inventory.movement m
       where m.merchant_id = $merchant and m.sku = any($skus)
         and m.at > (select counted_at from reconciliation.stock_count
                      where merchant_id = $merchant and id = $count)
       group by m.sku, m.location_id
    ), booked as (
      select d.*, (coalesce(s.on_hand, 0) - coalesce(since.units, 0))::int8 as book
        from d
        left join inventory.stock s
          on s.merchant_id = $merchant and s.sku = d.sku and s.location_id = d.location_id
        left join since on since.sku = d.sku and since.location_id = d.location_id
    )
    insert into reconciliation.stock_proposal (merchant_id, count_id, line_no, sku, location_id, counted,
        book, difference, money_minor, currency, state)
    select $merchant, $count, b.line_no, b.sku, b.location_id, b.counted, b.book, b.counted - b.book,
           (b.counted - b.book) * b.price, b.currency,
           case when b.counted = b.book then 'agrees' else 'proposed' end
      from booked b`,
})

/** The lines of a count with what is proposed for each. */
export const selectProposals = statement({
  name: 'reconciliation.select_stock_proposals',
  params: { merchant: 'text', count: 'text' },
  row: {
    line_no: 'int4',
    sku: 'text',
    location_id: 'text',
    counted: 'int8',
    book: 'int8',
    difference: 'int8',
    money_minor: 'int8',
    currency: 'text',
    state: 'text',
    decided_by: 'text?',
    decided_at: 'timestamptz?',
    reason: 'text?',
  },
  text: `
    select line_no, sku, location_id, counted, book, difference, money_minor, currency, state, decided_by,
           decided_at, reason
      from reconciliation.stock_proposal
     where merchant_id = $merchant and count_id = $count
     order by line_no`,
})

/** Decides proposals that nobody has decided: the row itself lets only one decision stand. */
export const decideProposals = statement({
  name: 'reconciliation.decide_stock_proposals',
  params: {
    merchant: 'text',
    count: 'text',
    lines: 'int4[]?',
    state: 'text',
    actor: 'text',
    reason: 'text',
  },
  row: { line_no: 'int4', sku: 'text', location_id: 'text', difference: 'int8' },
  text: `
    update reconciliation.stock_proposal
       set state = $state, decided_by = $actor, decided_at = now(), reason = $reason
     where merchant_id = $merchant and count_id = $count and state = 'proposed'
       and ($lines is null or line_no = any($lines))
    returning line_no, sku, location_id, difference`,
})

/** Counts, newest first, with how many of their lines wait for a decision. */
export const selectCounts = statement({
  name: 'reconciliation.select_stock_counts',
  params: { merchant: 'text', limit: 'int4' },
  row: {
    id: 'text',
    actor: 'text',
    counted_at: 'timestamptz',
    recorded_at: 'timestamptz',
    lines: 'int4',
    proposed: 'int4',
  },
  text: `
    select c.id, c.actor, c.counted_at, c.recorded_at, count(p.line_no)::int as lines,
           (count(p.line_no) filter (where p.state = 'proposed'))::int as proposed
      from (select * from reconciliation.stock_count where merchant_id = $merchant
             order by recorded_at desc, id limit $limit) c
      join reconciliation.stock_proposal p on p.merchant_id = c.merchant_id and p.count_id = c.id
     group by c.id, c.actor, c.counted_at, c.recorded_at
     order by c.recorded_at desc, c.id`,
})

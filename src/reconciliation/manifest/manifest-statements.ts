import { statement } from '#platform/index.ts'

/** Where a comparison begins, in database time, and whether the lane is shut by a restore. */
export const selectBegin = statement({
  name: 'reconciliation.select_begin',
  params: { merchant: 'text', partner: 'text' },
  row: {
    now: 'timestamptz',
    fence_epoch: 'int4',
    is_clear: 'bool',
    high_sequence: 'int8',
    settled_through: 'int8',
    /** The last number of a past that a person has called another installation's. */
    past_upto: 'int8',
    /** True where this database has ever opened the lane. */
    has_dispatches: 'bool',
  },
  text: `
    select now() as now, i.fence_epoch, coalesce(l.cleared_epoch, 1) = i.fence_epoch as is_clear,
           coalesce(s.high_sequence, 0)::int8 as high_sequence,
           coalesce(s.settled_through, 0)::int8 as settled_through,
           coalesce(l.past_upto, 0)::int8 as past_upto,
           coalesce(l.next_sequence, 1) > 1
             or exists (select from fulfillment.dispatch d
                         where d.merchant_id = $merchant and d.partner_id = $partner) as has_dispatches
      from platform.instance i
      left join fulfillment.lane l on l.merchant_id = $merchant and l.partner_id = $partner
      left join reconciliation.partner_state s
        on s.merchant_id = $merchant and s.partner_id = $partner`,
})

/** A stretch of our dispatches to a partner, by sequence. */
export const selectOurs = statement({
  name: 'reconciliation.select_our_dispatches',
  params: {
    merchant: 'text',
    partner: 'text',
    after: 'int8',
    upto: 'int8',
    begun: 'timestamptz',
    limit: 'int4',
  },
  row: {
    id: 'text',
    key: 'text',
    batch_id: 'text',
    revision: 'int4',
    sequence: 'int8',
    content_sha256: 'text',
    state: 'text',
    is_settled_before: 'bool',
    is_claimed: 'bool',
    orders: 'int4',
    shipped: 'int4',
  },
  text: `
    select d.id, d.key, d.batch_id, d.revision, d.sequence,
           encode(d.content_sha256, 'hex') as content_sha256, d.state,
           coalesce(d.settled_at < $begun, false) as is_settled_before,
           (d.attempt > 0 or d.intent_at is not null or d.settled_at is not null) as is_claimed, c.orders, c.shipped
      from fulfillment.dispatch d,
           lateral (select count(*)::int as orders,
                           (count(*) filter (where f.state in ('shipped', 'delivered')))::int as shipped
                      from fulfillment.line_claim l
                      join fulfillment.fulfillment_order f
                        on f.merchant_id = l.merchant_id and f.id = l.fulfillment_id
                     where l.merchant_id = d.merchant_id and l.dispatch_id = d.id
                       and l.state = 'live') c
     where d.merchant_id = $merchant and d.partner_id = $partner
       and d.sequence > $after and d.sequence <= $upto
     order by d.sequence
     limit $limit`,
})

/**
 * Keys of a stretch that an earlier comparison has written down, and whether an unknown fulfillment under them is
 * open. What the partner had recalled or refused has no such row, only its number.
 */
export const selectKnownUnknown = statement({
  name: 'reconciliation.select_known_unknown',
  params: { merchant: 'text', partner: 'text', keys: 'text[]' },
  row: { key: 'text', is_open: 'bool' },
  text: `
    select key, bool_or(is_open) as is_open
      from (select key, state in ('open', 'held') as is_open
              from fulfillment.unknown_fulfillment
             where merchant_id = $merchant and partner_id = $partner and key = any($keys)
             union all
            select key, false
              from fulfillment.skipped_sequence
             where merchant_id = $merchant and partner_id = $partner and key = any($keys)) as written
     group by key`,
})

/** Which differences a person has looked into and closed: they are explained. */
export const selectExplained = statement({
  name: 'reconciliation.select_explained',
  params: { merchant: 'text', subjects: 'text[]' },
  row: { subject_id: 'text' },
  text: `
    select distinct subject_id from cases."case"
     where merchant_id = $merchant and kind in ('discrepancy', 'partner_regressed')
       and subject_id = any($subjects) and state = 'resolved'
       and not exists (select from cases.entry e
                        where e.merchant_id = "case".merchant_id and e.case_id = "case".id
                          and e.kind = 'resolved' and e.actor = 'reconciliation')`,
})

/** Open cases of a partner about dispatches that differ. */
export const selectOpenSubjects = statement({
  name: 'reconciliation.select_open_subjects',
  params: { merchant: 'text', partner: 'text' },
  row: { subject_id: 'text' },
  text: `
    select subject_id from cases."case"
     where merchant_id = $merchant and partner_id = $partner and kind = 'discrepancy' and state = 'open'
       and subject_id ~ '^(lost|phantom|differs):'
     limit 1000`,
})

/** What the orders of some dispatches are worth. */
export const selectWorth = statement({
  name: 'reconciliation.select_worth',
  params: { merchant: 'text', keys: 'text[]' },
  row: { key: 'text', amount: 'int8', currency: 'text' },
  text: `
    select d.key, sum(o.total_minor)::int8 as amount, min(o.currency) as currency
      from fulfillment.dispatch d
      join fulfillment.line_claim l on l.merchant_id = d.merchant_id and l.dispatch_id = d.id
      join orders."order" o on o.merchant_id = l.merchant_id and o.id = l.order_id
     where d.merchant_id = $merchant and d.key = any($keys)
     group by d.key
    having min(o.currency) = max(o.currency)`,
})

/** The first of our dispatches whose outcome is open. */
export const selectFirstOpen = statement({
  name: 'reconciliation.select_first_open',
  params: { merchant: 'text', partner: 'text' },
  row: { first_open: 'int8?', last: 'int8' },
  text: `
    select min(sequence) filter (where state in
             ('queued', 'sending', 'unknown', 'recalling', 'needs_operator', 'quarantined')) as first_open,
           coalesce(max(sequence), 0)::int8 as last
      from fulfillment.dispatch
     where merchant_id = $merchant and partner_id = $partner`,
})

/** Keeps what a partner has shown. Only a person's word takes `high_sequence` back. */
export const saveState = statement({
  name: 'reconciliation.save_partner_state',
  params: { merchant: 'text', partner: 'text', high: 'int8', settled: 'int8', green: 'bool' },
  text: `
    insert into reconciliation.partner_state as s
      (merchant_id, partner_id, high_sequence, settled_through, last_green_at)
    values ($merchant, $partner, $high, $settled, case when $green then now() end)
        on conflict (merchant_id, partner_id) do update
       set high_sequence = excluded.high_sequence, settled_through = excluded.settled_through,
           last_green_at = coalesce(excluded.last_green_at, s.last_green_at)`,
})

/** Writes a comparison down. */
export const insertRun = statement({
  name: 'reconciliation.insert_run',
  params: {
    merchant: 'text',
    id: 'text',
    partner: 'text',
    cause: 'text',
    actor: 'text',
    result: 'text',
    code: 'text?',
    epoch: 'int4',
    after: 'int8',
    ours: 'int4',
    theirs: 'int4',
    matched: 'int4',
    pending: 'int4',
    lost: 'int4',
    phantom: 'int4',
    differing: 'int4',
    adopted: 'int4',
    released: 'int4',
    differences: 'text',
    started: 'timestamptz',
  },
  text: `
    insert into reconciliation.run (merchant_id, id, partner_id, cause, actor, result, code, fence_epoch,
        after_sequence, ours, theirs, matched, pending, lost, phantom, differing, adopted, released,
        differences, started_at)
    values ($merchant, $id, $partner, $cause, $actor, $result, $code, $epoch, $after, $ours, $theirs,
        $matched, $pending, $lost, $phantom, $differing, $adopted, $released, $differences::jsonb,
        $started)`,
})

/** What must hold of recalls, for `holdfast verify`; see `checks.ts`. */
export const RECALL_INVARIANTS = [
  {
    name: 'a line that was given back is with no partner under that dispatch',
    sql: `select l.fulfillment_id as subject, l.dispatch_id || ': ' || f.state as detail
            from fulfillment.line_claim l
            join fulfillment.fulfillment_order f
              on f.merchant_id = l.merchant_id and f.id = l.fulfillment_id
             and f.dispatch_id = l.dispatch_id
           where l.merchant_id = $merchant and l.state = 'recalled'
             and f.state in ('sealed', 'accepted', 'shipped', 'delivered')`,
  },
  {
    name: 'a recalled line was asked back and answered, or came back with its dispatch',
    sql: `select l.fulfillment_id as subject, l.dispatch_id || ': ' || coalesce(r.state, d.state) as detail
            from fulfillment.line_claim l
            join fulfillment.dispatch d on d.merchant_id = l.merchant_id and d.id = l.dispatch_id
            left join fulfillment.recall_line r
              on r.merchant_id = l.merchant_id and r.dispatch_id = l.dispatch_id
             and r.fulfillment_id = l.fulfillment_id
           where l.merchant_id = $merchant and l.state = 'recalled'
             and (r.state <> 'recalled' or (r.state is null and d.state <> 'recalled'))`,
  },
  {
    name: 'a recalled dispatch has no live line, and one that never left had no intent',
    sql: `select d.id as subject, 'attempt ' || d.attempt as detail
            from fulfillment.dispatch d
           where d.merchant_id = $merchant and d.state = 'recalled'
             and ((d.last_code = 'never_sent' and (d.attempt > 0 or d.intent_at is not null))
               or exists (select from fulfillment.line_claim l
                           where l.merchant_id = d.merchant_id and l.dispatch_id = d.id
                             and l.state = 'live'))`,
  },
  {
    name: 'an answered recall has an answer for each line',
    sql: `select q.id as subject, o.fulfillment_id as detail
            from fulfillment.recall q
            join fulfillment.recall_order o
              on o.merchant_id = q.merchant_id and o.recall_id = q.id and o.outcome is null
           where q.merchant_id = $merchant and q.state = 'answered'`,
  },
  {
    name: 'sealed bytes of a recall carry its key and its order keys',
    sql: `select q.id as subject, q.key as detail
            from fulfillment.recall q
            left join fulfillment.recall_body b
              on b.merchant_id = q.merchant_id and b.recall_id = q.id
           where q.merchant_id = $merchant
             and (b.bytes is null
               or convert_from(b.bytes, 'UTF8')::jsonb ->> 'key' is distinct from q.key
               or array(select k from jsonb_array_elements_text(
                          convert_from(b.bytes, 'UTF8')::jsonb -> 'order_keys') k order by k)
                  is distinct from
                  array(select o.order_key from fulfillment.recall_order o
                         where o.merchant_id = q.merchant_id and o.recall_id = q.id order by 1))`,
  },
  {
    name: 'what was too late to recall has its case',
    sql: `select r.fulfillment_id as subject, r.dispatch_id as detail
            from fulfillment.recall_line r
           where r.merchant_id = $merchant and r.state = 'too_late'
             and not exists (select from cases."case" c
                              where c.merchant_id = r.merchant_id and c.kind = 'too_late'
                                and c.subject_id = r.fulfillment_id)`,
  },
  {
    name: 'no recall outlives its lease by five minutes',
    sql: `select id as subject, lease_until::text as detail
            from fulfillment.recall
           where merchant_id = $merchant and state = 'sending'
             and lease_until < now() - interval '5 minutes'`,
  },
] as const

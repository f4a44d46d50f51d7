import { statement } from '#platform/index.ts'
import { LANE_INVARIANTS } from './handshake/lane-checks.ts'
import { RECALL_INVARIANTS } from './recall/recall-checks.ts'

// Every row that a query returns is a violation; it says which thing and what of it.
const INVARIANTS = [
  {
    name: 'a line is live in one dispatch',
    sql: `select fulfillment_id as subject, count(*) || ' live claims' as detail
            from fulfillment.line_claim
           where merchant_id = $merchant and state = 'live'
           group by fulfillment_id, generation having count(*) > 1`,
  },
  {
    name: 'an order with a partner has a live claim of its dispatch',
    sql: `select f.id as subject, f.state as detail
            from fulfillment.fulfillment_order f
           where f.merchant_id = $merchant and f.state in ('sealed', 'accepted', 'shipped', 'delivered')
             and not exists (select from fulfillment.line_claim l
                              where l.merchant_id = f.merchant_id and l.fulfillment_id = f.id
                                and l.generation = f.generation and l.dispatch_id = f.dispatch_id
                                and l.state = 'live')`,
  },
  {
    name: 'no line is claimed for an order that is not sealed',
    sql: `select l.fulfillment_id as subject, f.state as detail
            from fulfillment.line_claim l
            join fulfillment.fulfillment_order f
              on f.merchant_id = l.merchant_id and f.id = l.fulfillment_id
           where l.merchant_id = $merchant and l.state = 'live'
             and f.state in ('held', 'open', 'withdrawn')`,
  },
  {
    name: 'what was sealed had a CLEAR with a certificate',
    sql: `select l.fulfillment_id as subject, l.decision_id as detail
            from fulfillment.line_claim l
           where l.merchant_id = $merchant
             and not exists (select from fulfillment.decision d
                              where d.merchant_id = l.merchant_id and d.order_id = l.order_id
                                and d.id = l.decision_id and d.verdict = 'clear'
                                and octet_length(d.approval) = 32)`,
  },
  {
    name: 'no open order has an open hold',
    sql: `select f.id as subject, h.id as detail
            from fulfillment.fulfillment_order f
            join fulfillment.hold h on h.merchant_id = f.merchant_id and h.fulfillment_id = f.id
           where f.merchant_id = $merchant and f.state = 'open' and h.released_at is null`,
  },
  {
    name: 'every held order says why',
    sql: `select f.id as subject, 'held without a hold' as detail
            from fulfillment.fulfillment_order f
           where f.merchant_id = $merchant and f.state = 'held'
             and not exists (select from fulfillment.hold h
                              where h.merchant_id = f.merchant_id and h.fulfillment_id = f.id
                                and h.released_at is null)`,
  },
  {
    name: 'sealed bytes carry the digest and key of their dispatch',
    sql: `select d.id as subject, d.key as detail
            from fulfillment.dispatch d
            left join fulfillment.sealed_body b
              on b.merchant_id = d.merchant_id and b.dispatch_id = d.id
           where d.merchant_id = $merchant
             and (b.bytes is null
               or convert_from(b.bytes, 'UTF8')::jsonb ->> 'key' is distinct from d.key
               or convert_from(b.bytes, 'UTF8')::jsonb ->> 'content_sha256'
                    is distinct from encode(d.content_sha256, 'hex'))`,
  },
  {
    name: 'sealed bytes hold exactly the claimed lines, none on hold',
    sql: `select d.id as subject, 'orders differ' as detail
            from fulfillment.dispatch d
            join fulfillment.sealed_body b
              on b.merchant_id = d.merchant_id and b.dispatch_id = d.id
           where d.merchant_id = $merchant
             and array(select o ->> 'fulfillment_id' || ' ' || (o ->> 'hold_for_review')
                              || ' ' || (o ->> 'review_decision_id')
                         from jsonb_array_elements(convert_from(b.bytes, 'UTF8')::jsonb -> 'orders') o
                        order by 1)
               is distinct from
                 array(select l.fulfillment_id || ' false ' || l.decision_id
                         from fulfillment.line_claim l
                        where l.merchant_id = d.merchant_id and l.dispatch_id = d.id
                        order by 1)`,
  },
  {
    name: 'sequences of a partner have no gap',
    sql: `select partner_id as subject, count(*) || ' of ' || max(sequence) as detail
            from (select partner_id, sequence from fulfillment.dispatch where merchant_id = $merchant
                   union
                  select partner_id, sequence from fulfillment.skipped_sequence
                   where merchant_id = $merchant) given
           group by partner_id
          having count(*) <> max(sequence) or min(sequence) <> 1`,
  },
  {
    name: 'a shipped order has shipped all its units, and no line more than was ordered',
    sql: `with ordered as (
            select f.id, f.generation, f.state, x ->> 'line_id' as line,
                   (x ->> 'qty')::bigint - coalesce((
                     select sum(o.qty) from fulfillment.open_line o
                      where o.merchant_id = f.merchant_id and o.fulfillment_id = f.id
                        and o.generation = f.generation and o.line_id = x ->> 'line_id'
                        and o.cause = 'short' and o.state = 'released'), 0) as qty
              from fulfillment.fulfillment_order f, jsonb_array_elements(f.lines) x
             where f.merchant_id = $merchant and f.state in ('accepted', 'shipped', 'delivered')
          ), shipped as (
            select s.fulfillment_id as id, s.generation, x ->> 'line_id' as line,
                   sum((x ->> 'qty')::bigint) as qty
              from fulfillment.shipment s, jsonb_array_elements(s.lines) x
             where s.merchant_id = $merchant
             group by 1, 2, 3
          )
          select o.id as subject, 'line ' || o.line || ': ' || coalesce(s.qty, 0) || ' of ' || o.qty as detail
            from ordered o
            left join shipped s on s.id = o.id and s.generation = o.generation and s.line = o.line
           where coalesce(s.qty, 0) > o.qty
              or (o.state in ('shipped', 'delivered') and coalesce(s.qty, 0) < o.qty)`,
  },
  {
    name: 'units that a partner will not ship are with a person, or decided on',
    sql: `select o.fulfillment_id as subject, o.cause || ' line ' || o.line_id as detail
            from fulfillment.open_line o
           where o.merchant_id = $merchant and o.state = 'open'
             and not exists (select from cases."case" c
                              where c.merchant_id = o.merchant_id and c.subject_id = o.fulfillment_id
                                and c.kind in ('short_shipment', 'partial_rejection')
                                and c.state = 'open')`,
  },
  {
    name: 'every partner event is applied within five minutes',
    sql: `select partner_id || ' ' || webhook_id as subject, received_at::text as detail
            from fulfillment.inbox
           where merchant_id = $merchant and applied_at is null
             and received_at < now() - interval '5 minutes'`,
  },
  {
    name: 'no partner event was set aside',
    sql: `select partner_id || ' ' || webhook_id as subject, outcome as detail
            from fulfillment.inbox
           where merchant_id = $merchant and outcome in ('fault', 'unreadable', 'other_partner')`,
  },
  {
    name: 'no dispatch outlives its lease by five minutes',
    sql: `select id as subject, lease_until::text as detail
            from fulfillment.dispatch
           where merchant_id = $merchant and state = 'sending'
             and lease_until < now() - interval '5 minutes'`,
  },
  {
    name: 'no withdrawn revision is with a partner',
    sql: `select f.id as subject, w.id as detail
            from fulfillment.withdrawal w
            join fulfillment.fulfillment_order f
              on f.merchant_id = w.merchant_id and f.order_id = w.order_id
             and f.revision <= w.revision
           where w.merchant_id = $merchant
             and f.state not in ('withdrawn', 'rejected', 'recalled')`,
  },
  {
    name: 'a parcel that arrived had left, told within a day',
    sql: `select partner_id || ' ' || partner_shipment_id as subject, fulfillment_id as detail
            from fulfillment.parcel_delivery
           where merchant_id = $merchant and shipment_id is null
             and recorded_at < now() - interval '1 day'`,
  },
] as const

/** What must hold at every moment, for `holdfast verify`: each statement returns what breaks it. */
export const fulfillmentChecks = [...INVARIANTS, ...RECALL_INVARIANTS, ...LANE_INVARIANTS].map(
  ({ name, sql }, index) => ({
    claim: name,
    find: statement({
      name: `fulfillment.check_${index + 1}`,
      params: { merchant: 'text' },
      row: { subject: 'text', detail: 'text' },
      text: sql,
    }),
  }),
)

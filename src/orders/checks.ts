import { statement } from '#platform/index.ts'

const VIOLATION = { subject: 'text', detail: 'text' } as const
const MERCHANT = { merchant: 'text' } as const

/** Invariants of orders, for `holdfast verify`: each statement returns at most 100 that break it. */
export const orderChecks = [
  {
    claim: 'every placed order reserved exactly its lines',
    find: statement({
      name: 'orders.check_reserved',
      params: MERCHANT,
      row: VIOLATION,
      text: `
        with wanted as (
          select o.id, l.line, l.sku, l.qty
            from orders."order" o, jsonb_to_recordset(o.lines) as l(line int, sku text, qty bigint)
           where o.merchant_id = $merchant and o.state = 'placed'
        ), reserved as (
          select m.subject_id as id, m.line_no as line, m.sku, sum(m.reserved_delta)::bigint as qty
            from inventory.movement m
            join orders."order" o on o.merchant_id = m.merchant_id and o.id = m.subject_id
           where m.merchant_id = $merchant and o.state = 'placed' and m.kind in ('reserve', 'release')
           group by m.subject_id, m.line_no, m.sku
        )
        select coalesce(w.id, r.id) || ' line ' || coalesce(w.line, r.line) as subject,
               coalesce(r.qty, 0) || ' reserved of ' || coalesce(w.qty, 0) as detail
          from wanted w full join reserved r on r.id = w.id and r.line = w.line and r.sku = w.sku
         where coalesce(w.qty, 0) <> coalesce(r.qty, 0)
         limit 100`,
    }),
  },
  {
    claim: 'no cancelled or rejected order has stock reserved',
    find: statement({
      name: 'orders.check_released',
      params: MERCHANT,
      row: VIOLATION,
      text: `
        select o.id as subject, o.state || ' with ' || sum(m.reserved_delta) || ' reserved' as detail
          from orders."order" o
          join inventory.movement m on m.merchant_id = o.merchant_id and m.subject_id = o.id
         where o.merchant_id = $merchant and o.state in ('cancelled', 'rejected')
         group by o.id, o.state
        having sum(m.reserved_delta) <> 0
         limit 100`,
    }),
  },
  {
    claim: 'every reservation belongs to an order or a checkout',
    find: statement({
      name: 'orders.check_owned',
      params: MERCHANT,
      row: VIOLATION,
      text: `
        select m.subject_id as subject, sum(m.reserved_delta) || ' reserved' as detail
          from inventory.movement m
         where m.merchant_id = $merchant
           -- What a reship reserves is held to its fulfillment order by a check of reconciliation.
           and m.subject_id not like 'rsh\\_%'
           and not exists (select from orders."order" o
                            where o.merchant_id = m.merchant_id and o.id = m.subject_id)
           and not exists (select from orders.checkout c
                            where c.merchant_id = m.merchant_id and c.id = m.subject_id and c.state = 'open')
         group by m.subject_id
        having sum(m.reserved_delta) <> 0
         limit 100`,
    }),
  },
  {
    claim: 'the decisions of every order count up from one without a gap',
    find: statement({
      name: 'orders.check_decisions',
      params: MERCHANT,
      row: VIOLATION,
      text: `
        select o.id as subject, count(d.number) || ' decisions, the last is ' || coalesce(max(d.number), 0) as detail
          from orders."order" o
          left join orders.decision d on d.merchant_id = o.merchant_id and d.order_id = o.id
         where o.merchant_id = $merchant
         group by o.id
        having count(d.number) = 0 or count(d.number) <> max(d.number)
         limit 100`,
    }),
  },
  {
    claim: 'an order that only unread rules or flags hold is decided again within fifteen minutes',
    find: statement({
      name: 'orders.check_unread_holds',
      params: MERCHANT,
      row: VIOLATION,
      text: `
        select o.id as subject, array_to_string(d.reasons, ', ') || ' since ' || d.recorded_at as detail
          from orders."order" o
          join lateral (select verdict, decided_by, reasons, recorded_at from orders.decision
                         where merchant_id = o.merchant_id and order_id = o.id
                         order by number desc limit 1) d on true
         where o.merchant_id = $merchant and o.state = 'placed' and d.verdict = 'hold'
           and d.decided_by = 'rules' and d.reasons <@ array['flags_unread', 'rules_unread']
           and d.recorded_at < now() - interval '15 minutes'
         limit 100`,
    }),
  },
  {
    claim: 'the last decision is on the order as it stands',
    find: statement({
      name: 'orders.check_decided_digest',
      params: MERCHANT,
      row: VIOLATION,
      text: `
        select o.id as subject, 'revision ' || o.revision || ', decided on revision ' || d.revision as detail
          from orders."order" o
          join lateral (select revision, order_digest from orders.decision
                         where merchant_id = o.merchant_id and order_id = o.id
                         order by number desc limit 1) d on true
         where o.merchant_id = $merchant and o.state = 'placed'
           and (d.revision <> o.revision or d.order_digest <> o.order_digest)
         limit 100`,
    }),
  },
  {
    claim: 'every reference stands for the order that bears it',
    find: statement({
      name: 'orders.check_references',
      params: MERCHANT,
      row: VIOLATION,
      text: `
        select coalesce(r.reference, o.reference) as subject,
               'reference of ' || coalesce(r.order_id, 'none') || ', borne by ' || coalesce(o.id, 'none') as detail
          from (select reference, order_id from orders.order_reference where merchant_id = $merchant) r
          full join (select reference, id from orders."order"
                      where merchant_id = $merchant and reference is not null) o
            on o.reference = r.reference and o.id = r.order_id
         where r.reference is null or o.reference is null
         limit 100`,
    }),
  },
  {
    claim: 'every idempotency key and completed checkout stands for an order that exists',
    find: statement({
      name: 'orders.check_keys',
      params: MERCHANT,
      row: VIOLATION,
      text: `
        select k.name as subject, k.order_id as detail
          from (select scope || ' ' || key as name, order_id from orders.idempotency_key
                 where merchant_id = $merchant
                union all
                select id, order_id from orders.checkout
                 where merchant_id = $merchant and state = 'completed') k
         where not exists (select from orders."order" o
                            where o.merchant_id = $merchant and o.id = k.order_id)
         limit 100`,
    }),
  },
  {
    claim: 'what waits for the hand-over is a decision on a placed order',
    find: statement({
      name: 'orders.check_outbox',
      params: MERCHANT,
      row: VIOLATION,
      text: `
        select q.order_id || ' decision ' || q.number as subject, coalesce(o.state, 'no such order') as detail
          from orders.handover_outbox q
          left join orders."order" o on o.merchant_id = q.merchant_id and o.id = q.order_id
          left join orders.decision d
            on d.merchant_id = q.merchant_id and d.order_id = q.order_id and d.number = q.number
         where q.merchant_id = $merchant and (d.number is null or o.state is distinct from 'placed')
         limit 100`,
    }),
  },
  {
    claim: 'goods and total of every order are the sums of its lines and charges',
    find: statement({
      name: 'orders.check_totals',
      params: MERCHANT,
      row: VIOLATION,
      text: `
        select o.id as subject, 'goods ' || o.goods_minor || ' of ' || s.goods || ', total ' || o.total_minor
                 || ' of ' || s.goods + s.charges as detail
          from orders."order" o
          cross join lateral (
            select (select coalesce(sum(l.qty * l.unit_price_minor), 0)
                      from jsonb_to_recordset(o.lines) as l(qty bigint, unit_price_minor bigint)) as goods,
                   (select coalesce(sum(c.qty * c.unit_price_minor), 0)
                      from jsonb_to_recordset(coalesce(o.charges, '[]')) as c(qty bigint, unit_price_minor bigint))
                     as charges) s
         where o.merchant_id = $merchant
           and (o.goods_minor <> s.goods or o.total_minor <> s.goods + s.charges)
         limit 100`,
    }),
  },
  {
    claim: 'every order is told of in the event log',
    find: statement({
      name: 'orders.check_events',
      params: MERCHANT,
      row: VIOLATION,
      text: `
        select t.id as subject, 'no order.placed' as detail
          from (select id from orders."order" where merchant_id = $merchant
                except
                select subject_id from platform.event
                 where merchant_id = $merchant and kind = 'order.placed') t
         limit 100`,
    }),
  },
] as const

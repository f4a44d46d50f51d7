-- A decision keeps the allocations that its certificate covers, as JSON of [[line, location, units], ...]: the
-- hand-over is built from them, however often it is repeated and whatever has become of the stock meanwhile. Null
-- for decisions of earlier builds.
alter table orders.decision add column allocations jsonb;

-- The name of an order that the shop's repeat makes again: 26 digits of a hash over the merchant and the shop's
-- reference, else the Idempotency-Key; 'none' for an order with neither; null for orders of earlier builds.
alter table orders."order" add column identity text check (identity ~ '^([0-9a-v]{26}|none)$');

-- The same on the other side of the hand-over.
alter table fulfillment.received_order drop constraint received_order_identity_check;
alter table fulfillment.received_order add constraint received_order_identity_check
  check (identity ~ '^([0-9a-v]{26}|none)$');
drop index fulfillment.received_by_identity;
create index received_by_identity on fulfillment.received_order (merchant_id, identity)
  where identity <> 'none';

-- From now on the lines of a received order bring their unit prices, and fulfillment reads no table of orders. What
-- earlier builds received gets them here, once, as far as it is still on its way.
update fulfillment.received_order r
   set lines = (
     select jsonb_agg(case when p.price is null then x.line
                           else x.line || jsonb_build_object('unitPriceMinor', p.price) end order by x.place)
       from jsonb_array_elements(r.lines) with ordinality as x(line, place)
       left join lateral (select (l ->> 'unit_price_minor')::bigint as price
                            from jsonb_array_elements(o.lines) as l
                           where l ->> 'line' = x.line ->> 'line' limit 1) p on true)
  from orders."order" o
 where o.merchant_id = r.merchant_id and o.id = r.order_id
   and exists (select from fulfillment.fulfillment_order f
                where f.merchant_id = r.merchant_id and f.order_id = r.order_id
                  and f.revision = r.revision and f.state not in ('delivered', 'withdrawn'));

-- Ids of fulfillment orders no longer sort by time: what is listed newest first goes by `created_at`.
create index fulfillment_by_age on fulfillment.fulfillment_order (merchant_id, created_at, id);

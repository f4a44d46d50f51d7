-- The promise that an order leaves the warehouse by. Orders taken before this migration have none, and no
-- alarm speaks of them. It is written once, like the lines: a promise that moves is none.
alter table orders."order"
  add column ship_by timestamptz,
  -- The version of the policy that made it; null where whoever placed the order said it.
  add column promise_version integer check (promise_version >= 0),
  add constraint order_promise_has_a_source check (promise_version is null or ship_by is not null);

-- How the promise of an order is made that brings none. Appended, never changed; version 0 is built in.
create table orders.promise_policy (
  merchant_id text not null,
  version integer not null check (version >= 1),
  -- Working days between the day on which the order is taken and the day of the promise.
  handling_days integer not null check (handling_days between 0 and 365),
  working_days text[] not null check (cardinality(working_days) between 1 and 7
    and working_days <@ array['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']),
  actor text not null check (actor <> ''),
  reason text not null check (reason <> ''),
  at timestamptz not null default now(),
  primary key (merchant_id, version)
);
grant select, insert on orders.promise_policy to holdfast_runtime;

alter table fulfillment.received_order add column ship_by timestamptz;

-- `ship_by_alarm` is the alarm that is raised now; a case of the same kind tells its story. The runtime role
-- may not move the promise itself.
alter table fulfillment.fulfillment_order
  add column ship_by timestamptz,
  add column ship_by_alarm text check (ship_by_alarm in ('at_risk', 'missed')),
  add column ship_by_alarm_at timestamptz,
  add column ship_by_asked_at timestamptz,
  add constraint ship_by_alarm_has_a_time check ((ship_by_alarm is null) = (ship_by_alarm_at is null)),
  add constraint ship_by_alarm_has_a_promise check (ship_by_alarm is null or ship_by is not null);
grant update (ship_by_alarm, ship_by_alarm_at, ship_by_asked_at) on fulfillment.fulfillment_order
  to holdfast_runtime;

-- One index for each look of the worker, each as small as what it has to find.
create index promise_unaccepted on fulfillment.fulfillment_order (merchant_id, ship_by)
  where ship_by_alarm is null and state in ('held', 'open', 'sealed');
create index promise_unshipped on fulfillment.fulfillment_order (merchant_id, ship_by)
  where ship_by_alarm is null and state = 'accepted';
create index promise_alarmed on fulfillment.fulfillment_order (merchant_id, ship_by_alarm, state)
  where ship_by_alarm is not null;

-- The nearest promise among the orders of a dispatch, written at the seal.
alter table fulfillment.dispatch add column ship_by timestamptz;

-- The kinds of a case are widened by what is added here, whatever else was added before.
do $$
declare
  held record;
begin
  select conname, pg_get_constraintdef(oid) as definition into strict held
    from pg_constraint
   where conrelid = 'cases."case"'::regclass and contype = 'c'
     and pg_get_constraintdef(oid) like '%double_ship%';
  execute format('alter table cases."case" drop constraint %I', held.conname);
  execute format('alter table cases."case" add constraint %I %s', held.conname,
    replace(held.definition, 'ARRAY[', 'ARRAY[''ship_by_at_risk''::text, ''ship_by_missed''::text, '));
end $$;

-- Fulfillment orders that a partner holds and these books do not know, which is what a restored copy finds: one
-- row for each, by partner and dispatch key. `identity` is the name of the order that its id carries; null for
-- ids of earlier builds. A row ends as `matched` with an order that the shop sent again, as `held` where that order
-- differs, or as `closed` by a person with a sentence.
create table fulfillment.unknown_fulfillment (
  merchant_id text not null,
  partner_id text not null,
  key text not null check (key ~ '^hfd1-[a-z2-7]{32}$'),
  fulfillment_id text not null,
  identity text check (identity ~ '^[0-9a-v]{26}$'),
  sequence bigint not null check (sequence >= 1),
  batch_id text not null,
  revision integer not null check (revision >= 1),
  content_sha256 bytea not null check (octet_length(content_sha256) = 32),
  partner_state text not null check (partner_state in
    ('accepted', 'in_progress', 'shipped', 'recall_partial', 'recalled', 'unknown')),
  state text not null default 'open' check (state in ('open', 'matched', 'held', 'closed')),
  order_id text,
  found_at timestamptz not null default now(),
  settled_at timestamptz,
  closed_by text,
  closed_reason text,
  primary key (merchant_id, partner_id, key, fulfillment_id),
  check ((state = 'open') = (settled_at is null)),
  check (state not in ('matched', 'held') or order_id is not null),
  check ((state = 'closed') = (closed_by is not null and closed_reason is not null)),
  check (closed_by <> '' and closed_reason <> '')
);
create index unknown_by_identity on fulfillment.unknown_fulfillment (merchant_id, identity)
  where state <> 'closed';
create index unknown_open on fulfillment.unknown_fulfillment (merchant_id, partner_id) where state = 'open';
grant select, insert on fulfillment.unknown_fulfillment to holdfast_runtime;
grant update (partner_state, state, order_id, settled_at, closed_by, closed_reason)
  on fulfillment.unknown_fulfillment to holdfast_runtime;

-- Whoever writes down what is unknown and whoever receives orders meet at this one row, so that of the two the
-- second always sees the first: a hand-over takes it in share mode, the trigger below exclusively. The row is
-- shared by all merchants.
create table fulfillment.unknown_gate (
  only_one boolean primary key default true check (only_one),
  passed_at timestamptz not null default now()
);
insert into fulfillment.unknown_gate default values;
grant select on fulfillment.unknown_gate to holdfast_runtime;
grant update (passed_at) on fulfillment.unknown_gate to holdfast_runtime;

create function fulfillment.lock_unknown_gate() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform from fulfillment.unknown_gate for update;
  return null;
end $$;
revoke execute on function fulfillment.lock_unknown_gate() from public;
create trigger unknown_gate before insert on fulfillment.unknown_fulfillment
  for each statement execute function fulfillment.lock_unknown_gate();

-- The name that the shop's repeat of an order makes again, as the hand-over brought it.
alter table fulfillment.received_order add column identity text check (identity ~ '^[0-9a-v]{26}$');
create index received_by_identity on fulfillment.received_order (merchant_id, identity)
  where identity is not null;

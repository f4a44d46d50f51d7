create schema orders;
grant usage on schema orders to holdfast_runtime;

-- An order is a document, written once; only its state and a change of address move.
-- It has no verdict column: the verdict is the last row of `decision`, and without one it is unset.
create table orders."order" (
  merchant_id text not null,
  id text not null,
  order_number text not null,
  reference text,
  source text not null check (source in ('http', 'grpc', 'import', 'checkout')),
  customer text,
  country text,
  currency text not null,
  lines jsonb not null,
  charges jsonb,
  goods_minor bigint not null check (goods_minor >= 0),
  total_minor bigint not null,
  ship_to jsonb not null,
  revision integer not null default 1 check (revision >= 1),
  order_digest bytea not null check (octet_length(order_digest) = 32),
  state text not null default 'placed' check (state in ('placed', 'cancelled', 'rejected')),
  placed_at timestamptz not null,
  recorded_at timestamptz not null default now(),
  primary key (merchant_id, id)
);
grant select, insert on orders."order" to holdfast_runtime;
grant update (ship_to, country, revision, order_digest, state) on orders."order" to holdfast_runtime;

-- Slim guards, unpartitioned and kept for as long as the order.
create table orders.order_reference (
  merchant_id text not null,
  reference text not null,
  order_id text not null,
  content_sha256 bytea not null check (octet_length(content_sha256) = 32),
  primary key (merchant_id, reference)
);
grant select, insert on orders.order_reference to holdfast_runtime;

create table orders.idempotency_key (
  merchant_id text not null,
  scope text not null,
  key text not null,
  request_sha256 bytea not null check (octet_length(request_sha256) = 32),
  order_id text not null,
  at timestamptz not null default now(),
  primary key (merchant_id, scope, key)
);
grant select, insert on orders.idempotency_key to holdfast_runtime;

create table orders.rule_set (
  merchant_id text not null,
  version integer not null check (version >= 1),
  rules jsonb not null,
  actor text not null,
  reason text not null,
  at timestamptz not null default now(),
  primary key (merchant_id, version)
);
grant select, insert on orders.rule_set to holdfast_runtime;

-- One stream of decisions. A CLEAR without its certificate cannot be written.
create table orders.decision (
  merchant_id text not null,
  order_id text not null,
  number integer not null check (number >= 1),
  id text not null,
  verdict text not null check (verdict in ('hold', 'clear')),
  reasons text[] not null,
  decided_by text not null check (decided_by in ('rules', 'person')),
  actor text not null,
  note text,
  rule_version integer not null,
  flag_set_version bigint not null,
  revision integer not null,
  order_digest bytea not null,
  key_id text not null,
  approval bytea,
  effective_at timestamptz not null,
  recorded_at timestamptz not null default now(),
  strata jsonb not null default '{}',
  provenance_id text not null,
  primary key (merchant_id, order_id, number),
  unique (merchant_id, id),
  foreign key (merchant_id, order_id) references orders."order",
  check (verdict <> 'clear' or octet_length(approval) = 32),
  check (verdict <> 'hold' or cardinality(reasons) > 0)
);
grant select, insert on orders.decision to holdfast_runtime;

-- Decisions that fulfillment has not yet receipted. The row goes when the receipt is checked.
create table orders.handover_outbox (
  merchant_id text not null,
  order_id text not null,
  number integer not null,
  recorded_at timestamptz not null default now(),
  attempts integer not null default 0,
  last_code text,
  not_before timestamptz not null default now(),
  primary key (merchant_id, order_id, number)
);
grant select, insert, delete on orders.handover_outbox to holdfast_runtime;
grant update (attempts, last_code, not_before) on orders.handover_outbox to holdfast_runtime;

-- The wish to take an order back, recorded before fulfillment is asked, so that no crash forgets it.
create table orders.withdrawal (
  merchant_id text not null,
  id text not null,
  order_id text not null,
  kind text not null check (kind in ('cancel', 'reject', 'amend')),
  revision integer not null,
  state text not null default 'requested' check (state in ('requested', 'done', 'refused')),
  actor text not null,
  reason text not null,
  ship_to jsonb,
  country text,
  requested_at timestamptz not null default now(),
  settled_at timestamptz,
  primary key (merchant_id, id),
  foreign key (merchant_id, order_id) references orders."order"
);
create unique index one_open_withdrawal on orders.withdrawal (merchant_id, order_id)
  where state = 'requested';
create index withdrawal_by_order on orders.withdrawal (merchant_id, order_id);
grant select, insert on orders.withdrawal to holdfast_runtime;
grant update (state, settled_at) on orders.withdrawal to holdfast_runtime;

create table orders.checkout (
  merchant_id text not null,
  id text not null,
  state text not null default 'open' check (state in ('open', 'completed', 'expired')),
  input jsonb not null,
  order_id text,
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  primary key (merchant_id, id),
  check ((state = 'completed') = (order_id is not null))
);
create index checkout_expiring on orders.checkout (merchant_id, expires_at) where state = 'open';
grant select, insert on orders.checkout to holdfast_runtime;
grant update (state, order_id) on orders.checkout to holdfast_runtime;

create schema reconciliation;
grant usage on schema reconciliation to holdfast_runtime;

-- Goods that came back, and what was credited for them. The id is the merchant's own and counts once.
create table reconciliation."return" (
  merchant_id text not null,
  id text not null,
  content_sha256 bytea not null check (octet_length(content_sha256) = 32),
  source text not null check (source in ('http', 'cli', 'import')),
  actor text not null check (actor <> ''),
  customer text,
  currency text not null,
  charges jsonb not null default '[]',
  charges_minor bigint not null default 0,
  note text,
  returned_at timestamptz not null,
  recorded_at timestamptz not null default now(),
  tried_at timestamptz not null default now(),
  primary key (merchant_id, id)
);
grant select, insert on reconciliation."return" to holdfast_runtime;
grant update (tried_at) on reconciliation."return" to holdfast_runtime;

-- A line is accepted where shipped units of its order are left for it, else unmatched with the reason:
-- then it moves no stock, and its money is a question, not a refund.
create table reconciliation.return_line (
  merchant_id text not null,
  return_id text not null,
  line_no integer not null check (line_no >= 1),
  sku text not null,
  qty bigint not null check (qty >= 1),
  condition text not null check (condition in ('restock', 'damaged')),
  unit_price_minor bigint check (unit_price_minor >= 0),
  refund_minor bigint not null check (refund_minor >= 0),
  order_ref text,
  order_line integer,
  order_id text,
  state text not null check (state in ('accepted', 'unmatched')),
  reason text,
  decided_at timestamptz not null default now(),
  primary key (merchant_id, return_id, line_no),
  foreign key (merchant_id, return_id) references reconciliation."return",
  check ((state = 'unmatched') = (reason is not null)),
  check (state = 'unmatched' or order_id is not null)
);
create index return_line_by_order on reconciliation.return_line (merchant_id, order_id)
  where order_id is not null;
create index return_line_unmatched on reconciliation.return_line (merchant_id, return_id)
  where state = 'unmatched';
grant select, insert on reconciliation.return_line to holdfast_runtime;
grant update (state, reason, order_id, decided_at) on reconciliation.return_line to holdfast_runtime;

-- Which shipped units an accepted line takes back: one row an order line and location.
create table reconciliation.return_part (
  merchant_id text not null,
  return_id text not null,
  line_no integer not null,
  order_id text not null,
  order_line integer not null,
  location_id text not null,
  sku text not null,
  qty bigint not null check (qty >= 1),
  primary key (merchant_id, return_id, line_no, order_id, order_line, location_id),
  foreign key (merchant_id, return_id, line_no) references reconciliation.return_line
);
create index return_part_by_order on reconciliation.return_part (merchant_id, order_id);
grant select, insert on reconciliation.return_part to holdfast_runtime;

-- The counter that the guard stands on: units of an order line that came back, never more than the
-- ledger says were issued there.
create table reconciliation.returned_line (
  merchant_id text not null,
  order_id text not null,
  order_line integer not null,
  location_id text not null,
  sku text not null,
  returned bigint not null default 0 check (returned >= 0),
  primary key (merchant_id, order_id, order_line, location_id)
);
grant select, insert on reconciliation.returned_line to holdfast_runtime;
grant update (returned) on reconciliation.returned_line to holdfast_runtime;

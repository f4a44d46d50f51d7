create schema inventory;
grant usage on schema inventory to holdfast_runtime;

create table inventory.location (
  merchant_id text not null,
  id text not null,
  name text not null,
  rank integer not null,
  created_at timestamptz not null default now(),
  primary key (merchant_id, id),
  unique (merchant_id, rank)
);
grant select, insert on inventory.location to holdfast_runtime;

-- The counters. A sale can only move `available` to `reserved` and the CHECK stops it at zero.
-- A physical fact may take `on_hand` anywhere: what it takes beyond the free stock is `shortfall`.
create table inventory.stock (
  merchant_id text not null,
  sku text not null,
  location_id text not null,
  on_hand bigint not null default 0,
  reserved bigint not null default 0 check (reserved >= 0),
  available bigint not null default 0 check (available >= 0),
  shortfall bigint not null default 0 check (shortfall >= 0),
  quarantined_at timestamptz,
  primary key (merchant_id, sku, location_id),
  foreign key (merchant_id, location_id) references inventory.location,
  check (on_hand = available + reserved - shortfall),
  check (available = 0 or shortfall = 0)
) with (fillfactor = 70);
create index stock_negative on inventory.stock (merchant_id, sku) where on_hand < 0;
grant select, insert on inventory.stock to holdfast_runtime;
grant update (on_hand, reserved, available, shortfall, quarantined_at) on inventory.stock to holdfast_runtime;

-- The ledger: append-only, every counter is a sum over it. `subject_id` is the order, checkout or
-- adjustment that the units belong to, `source_id` the fact that moved them (empty where the subject
-- itself did: a reservation); the primary key makes
-- each fact count once.
create table inventory.movement (
  merchant_id text not null,
  subject_id text not null,
  line_no integer not null,
  location_id text not null,
  kind text not null
    check (kind in ('receive', 'reserve', 'release', 'issue', 'return', 'adjust', 'count')),
  source_id text not null,
  sku text not null,
  on_hand_delta bigint not null,
  reserved_delta bigint not null,
  at timestamptz not null default now(),
  primary key (merchant_id, subject_id, line_no, location_id, kind, source_id),
  check (kind not in ('reserve', 'release') or on_hand_delta = 0),
  check (kind <> 'reserve' or reserved_delta > 0),
  check (kind <> 'release' or reserved_delta < 0),
  check (kind not in ('receive', 'return', 'adjust', 'count') or reserved_delta = 0),
  check (kind <> 'issue' or (on_hand_delta < 0 and reserved_delta <= 0))
);
grant select, insert on inventory.movement to holdfast_runtime;

-- A recorded stock document (receipt, adjustment, count): its id makes it idempotent.
create table inventory.adjustment (
  merchant_id text not null,
  id text not null,
  kind text not null check (kind in ('receive', 'adjust', 'count')),
  content_sha256 bytea not null check (octet_length(content_sha256) = 32),
  actor text not null,
  note text,
  at timestamptz not null default now(),
  primary key (merchant_id, id)
);
grant select, insert on inventory.adjustment to holdfast_runtime;

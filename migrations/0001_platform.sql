-- The ground: what every domain writes beside its own rows.
-- The runtime role owns nothing. Histories take INSERT and SELECT only: immutability by privilege.
create schema platform;
grant usage on schema platform to holdfast_runtime;

-- One row. `kind` is fixed at creation: product roles refuse a lab database, the lab refuses a product one.
create table platform.instance (
  only_row boolean primary key default true check (only_row),
  kind text not null check (kind in ('product', 'lab')),
  fence_epoch integer not null default 1 check (fence_epoch >= 1),
  created_at timestamptz not null default now()
);
insert into platform.instance (kind) values ('product');
grant select on platform.instance to holdfast_runtime;

-- Which flags, build, schema and node wrote a row: referenced by every decision, batch and dispatch.
create table platform.provenance (
  merchant_id text not null,
  id text not null,
  flag_set_version bigint not null,
  build text not null,
  schema_version integer not null,
  node text not null,
  first_seen_at timestamptz not null default now(),
  primary key (merchant_id, id)
);
grant select, insert on platform.provenance to holdfast_runtime;

-- The event log, written in the transaction of the state it tells of. A reader that stays below
-- pg_snapshot_xmin(pg_current_snapshot()) and orders by (xact, id) sees no gaps.
create table platform.event (
  merchant_id text not null,
  subject_id text not null,
  id text not null,
  kind text not null,
  data jsonb not null default '{}',
  at timestamptz not null default now(),
  xact xid8 not null default pg_current_xact_id(),
  primary key (merchant_id, subject_id, id)
);
grant select, insert on platform.event to holdfast_runtime;

create table platform.audit (
  merchant_id text not null,
  id text not null,
  at timestamptz not null default now(),
  actor text not null check (actor <> ''),
  action text not null,
  subject_id text not null,
  reason text,
  before jsonb,
  after jsonb,
  primary key (merchant_id, id)
);
grant select, insert on platform.audit to holdfast_runtime;

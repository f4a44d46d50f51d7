create schema cases;
grant usage on schema cases to holdfast_runtime;

-- A case is whatever a person must look into: one open case for one kind and subject, however often it
-- is seen. What was seen each time is an entry of its history.
create table cases."case" (
  merchant_id text not null,
  id text not null,
  kind text not null check (kind in ('double_ship', 'too_late', 'shipped_after_recall', 'discrepancy',
    'short_shipment', 'overdue_shipment', 'unmatched_shipment', 'parcel_without_lines', 'partial_rejection',
    'stock_difference', 'invoice_difference', 'return', 'lost_parcel', 'partner_regressed')),
  subject_id text not null,
  order_id text,
  partner_id text,
  title text not null check (title <> ''),
  state text not null default 'open' check (state in ('open', 'resolved')),
  owner text,
  money_minor bigint,
  currency text,
  opened_by text not null,
  opened_at timestamptz not null default now(),
  due_at timestamptz not null,
  resolved_at timestamptz,
  primary key (merchant_id, id),
  check ((money_minor is null) = (currency is null)),
  check ((state = 'resolved') = (resolved_at is not null))
);
create unique index one_open_case on cases."case" (merchant_id, kind, subject_id) where state = 'open';
create index case_open_by_due on cases."case" (merchant_id, due_at) where state = 'open';
create index case_by_order on cases."case" (merchant_id, order_id) where order_id is not null;
grant select, insert on cases."case" to holdfast_runtime;
grant update (state, owner, money_minor, currency, due_at, resolved_at) on cases."case" to holdfast_runtime;

-- Evidence, notes, changes of owner and the resolution: appended, never changed. The same evidence is
-- kept once.
create table cases.entry (
  merchant_id text not null,
  case_id text not null,
  id text not null,
  kind text not null check (kind in ('evidence', 'note', 'assigned', 'resolved')),
  actor text not null check (actor <> ''),
  text text not null,
  data jsonb not null default '{}',
  content_sha256 bytea not null check (octet_length(content_sha256) = 32),
  at timestamptz not null default now(),
  primary key (merchant_id, case_id, id),
  unique (merchant_id, case_id, content_sha256),
  foreign key (merchant_id, case_id) references cases."case"
);
grant select, insert on cases.entry to holdfast_runtime;

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

-- What a partner's manifest has shown us so far. `high_sequence` never goes back by itself: a manifest that
-- ends before it has lost part of its memory. Everything up to `settled_through` was final and agreed.
create table reconciliation.partner_state (
  merchant_id text not null,
  partner_id text not null,
  high_sequence bigint not null default 0 check (high_sequence >= 0),
  settled_through bigint not null default 0 check (settled_through >= 0),
  last_green_at timestamptz,
  primary key (merchant_id, partner_id)
);
grant select, insert on reconciliation.partner_state to holdfast_runtime;
grant update (high_sequence, settled_through, last_green_at) on reconciliation.partner_state
  to holdfast_runtime;

-- When each partner is compared next, in database time; workers claim what is due.
create table reconciliation.schedule (
  merchant_id text not null,
  partner_id text not null,
  cadence text not null check (cadence in ('quarter_hour', 'nightly')),
  due_at timestamptz not null default now(),
  primary key (merchant_id, partner_id, cadence)
);
grant select, insert on reconciliation.schedule to holdfast_runtime;
grant update (due_at) on reconciliation.schedule to holdfast_runtime;

-- One comparison with a partner's manifest, kept for ever: what was compared and what differed.
create table reconciliation.run (
  merchant_id text not null,
  id text not null,
  partner_id text not null,
  cause text not null check (cause in ('quarter_hour', 'nightly', 'person')),
  actor text not null,
  result text not null check (result in ('green', 'red', 'regressed', 'unsupported', 'failed')),
  code text,
  fence_epoch integer not null,
  after_sequence bigint not null,
  ours integer not null,
  theirs integer not null,
  matched integer not null,
  pending integer not null,
  lost integer not null,
  phantom integer not null,
  differing integer not null,
  adopted integer not null,
  released integer not null,
  differences jsonb not null default '[]',
  started_at timestamptz not null,
  finished_at timestamptz not null default now(),
  primary key (merchant_id, id)
);
create index run_by_partner on reconciliation.run (merchant_id, partner_id, id desc);
grant select, insert on reconciliation.run to holdfast_runtime;

-- After a restore nothing is sealed for a partner or sent to it until its lane is cleared for the new fence
-- epoch: by a comparison with its manifest that is green, or by a person.
alter table fulfillment.lane add column cleared_epoch integer not null default 1;
grant update (cleared_epoch) on fulfillment.lane to holdfast_runtime;

-- Numbers of a partner's sequence that a restore took from us: the dispatch is in the partner's books
-- alone, or never reached it. They are not given again.
create table fulfillment.skipped_sequence (
  merchant_id text not null,
  partner_id text not null,
  sequence bigint not null,
  key text,
  at timestamptz not null default now(),
  primary key (merchant_id, partner_id, sequence)
);
grant select, insert on fulfillment.skipped_sequence to holdfast_runtime;

-- A count as it came, and the correction that each of its lines proposes. The book is that of the moment of
-- the count: what moved since is no difference.
create table reconciliation.stock_count (
  merchant_id text not null,
  id text not null,
  content_sha256 bytea not null check (octet_length(content_sha256) = 32),
  actor text not null check (actor <> ''),
  counted_at timestamptz not null,
  recorded_at timestamptz not null default now(),
  primary key (merchant_id, id)
);
grant select, insert on reconciliation.stock_count to holdfast_runtime;

create table reconciliation.stock_proposal (
  merchant_id text not null,
  count_id text not null,
  line_no integer not null check (line_no >= 1),
  sku text not null,
  location_id text not null,
  counted bigint not null check (counted >= 0),
  book bigint not null,
  difference bigint not null,
  money_minor bigint not null,
  currency text not null,
  state text not null check (state in ('agrees', 'proposed', 'accepted', 'rejected')),
  decided_by text,
  decided_at timestamptz,
  reason text,
  primary key (merchant_id, count_id, line_no),
  unique (merchant_id, count_id, sku, location_id),
  foreign key (merchant_id, count_id) references reconciliation.stock_count,
  check (difference = counted - book),
  check ((state = 'agrees') = (difference = 0)),
  check ((state in ('accepted', 'rejected')) = (decided_by is not null))
);
grant select, insert on reconciliation.stock_proposal to holdfast_runtime;
grant update (state, decided_by, decided_at, reason) on reconciliation.stock_proposal to holdfast_runtime;

-- A line of a partner's bill and what our books say of it, judged once. The units that were matched can
-- never be matched again.
create table reconciliation.invoice_line (
  merchant_id text not null,
  partner_id text not null,
  invoice_id text not null,
  line_no integer not null check (line_no >= 1),
  content_sha256 bytea not null check (octet_length(content_sha256) = 32),
  reference text not null,
  order_id text,
  sku text not null,
  units bigint not null check (units >= 1),
  amount_minor bigint not null check (amount_minor >= 0),
  currency text not null,
  verdict text not null check (verdict in
    ('matched', 'over_billed', 'billed_twice', 'billed_not_shipped')),
  matched_units bigint not null check (matched_units >= 0),
  disputed_minor bigint not null check (disputed_minor between 0 and amount_minor),
  actor text not null check (actor <> ''),
  recorded_at timestamptz not null default now(),
  primary key (merchant_id, partner_id, invoice_id, line_no),
  check (matched_units <= units),
  check ((verdict = 'matched') = (matched_units = units)),
  check (matched_units = 0 or order_id is not null)
);
create index invoice_line_by_order on reconciliation.invoice_line (merchant_id, partner_id, order_id, sku)
  where matched_units > 0;
grant select, insert on reconciliation.invoice_line to holdfast_runtime;

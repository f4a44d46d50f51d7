-- What the newest complete probe found out, for the rules that rest on it. Null: never measured.
-- `key_ttl_s` is null also where a partner keeps keys for ever. `probe_due_at` is the next canary.
alter table partners.partner
  add column key_ttl_s integer check (key_ttl_s > 0),
  add column processing_delay_s integer not null default 0 check (processing_delay_s >= 0),
  add column lookup_lag_ms integer check (lookup_lag_ms >= 0),
  add column graded_at timestamptz,
  add column probe_due_at timestamptz;
grant update (key_ttl_s, processing_delay_s, lookup_lag_ms, graded_at, probe_due_at)
  on partners.partner to holdfast_runtime;
create index partner_probe_due on partners.partner (merchant_id, probe_due_at)
  where probe_due_at is not null;

-- Every probe with its evidence, appended, never changed. `batch_id` rebuilds the very bytes that were
-- sent, so that a later probe can find out whether their key is still remembered.
create table partners.conformance (
  merchant_id text not null,
  id text not null,
  partner_id text not null,
  cause text not null check (cause in ('operator', 'start', 'canary')),
  actor text not null check (actor <> ''),
  batch_id text not null,
  is_complete boolean not null,
  is_key_kept boolean,
  grade_before text not null check (grade_before in ('A', 'B', 'C', 'D')),
  grade_measured text not null check (grade_measured in ('A', 'B', 'C', 'D')),
  grade_after text not null check (grade_after in ('A', 'B', 'C', 'D')),
  key_ttl_s integer check (key_ttl_s > 0),
  processing_delay_s integer not null check (processing_delay_s >= 0),
  lookup_lag_ms integer check (lookup_lag_ms >= 0),
  checks jsonb not null,
  measured_at timestamptz not null default now(),
  primary key (merchant_id, id),
  foreign key (merchant_id, partner_id) references partners.partner
);
create index conformance_by_partner on partners.conformance (merchant_id, partner_id, measured_at);
grant select, insert on partners.conformance to holdfast_runtime;

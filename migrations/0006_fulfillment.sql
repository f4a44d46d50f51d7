create schema fulfillment;
grant usage on schema fulfillment to holdfast_runtime;

-- What came over the hand-over, once per batch id; the receipt is replayed to a sender that asks again.
create table fulfillment.handover (
  merchant_id text not null,
  id text not null,
  digest bytea not null check (octet_length(digest) = 32),
  records integer not null,
  orders integer not null,
  holds integer not null,
  clears integer not null,
  received_at timestamptz not null default now(),
  provenance_id text not null,
  primary key (merchant_id, id)
);
grant select, insert on fulfillment.handover to holdfast_runtime;

-- Refused streams, bytes and all (bounded by the stream limit).
create table fulfillment.quarantine (
  merchant_id text not null,
  id text not null,
  code text not null,
  detail text not null,
  bytes bytea not null,
  received_at timestamptz not null default now(),
  primary key (merchant_id, id)
);
grant select, insert on fulfillment.quarantine to holdfast_runtime;

create table fulfillment.received_order (
  merchant_id text not null,
  order_id text not null,
  revision integer not null,
  order_digest bytea not null check (octet_length(order_digest) = 32),
  order_number text not null,
  currency text not null,
  ship_to jsonb not null,
  lines jsonb not null,
  received_at timestamptz not null default now(),
  primary key (merchant_id, order_id, revision)
);
grant select, insert on fulfillment.received_order to holdfast_runtime;

-- One slim row an order, locked by whoever brings it or takes it back: either the hand-over sees the
-- tombstone, or the withdrawal sees the fulfillment orders.
create table fulfillment.order_gate (
  merchant_id text not null,
  order_id text not null,
  passed_at timestamptz not null default now(),
  primary key (merchant_id, order_id)
) with (fillfactor = 80);
grant select, insert on fulfillment.order_gate to holdfast_runtime;
grant update (passed_at) on fulfillment.order_gate to holdfast_runtime;

-- Verified decisions: the only table that the seal believes, and it checks the certificate again.
create table fulfillment.decision (
  merchant_id text not null,
  order_id text not null,
  number integer not null check (number >= 1),
  id text not null,
  verdict text not null check (verdict in ('hold', 'clear')),
  reasons text[] not null,
  revision integer not null,
  order_digest bytea not null check (octet_length(order_digest) = 32),
  key_id text not null,
  approval bytea,
  effective_at timestamptz not null,
  received_at timestamptz not null default now(),
  handover_id text not null,
  primary key (merchant_id, order_id, number),
  unique (merchant_id, order_id, id, verdict),
  check (verdict <> 'clear' or octet_length(approval) = 32)
);
grant select, insert on fulfillment.decision to holdfast_runtime;

-- A tombstone: revisions up to this one are withdrawn, also where they have not arrived yet.
create table fulfillment.withdrawal (
  merchant_id text not null,
  order_id text not null,
  revision integer not null,
  id text not null,
  kind text not null check (kind in ('cancel', 'reject', 'amend')),
  at timestamptz not null default now(),
  primary key (merchant_id, order_id, revision),
  unique (merchant_id, id)
);
grant select, insert on fulfillment.withdrawal to holdfast_runtime;

-- One per order, revision and partner: the unit that must never ship twice. Beyond `held` and
-- `withdrawn` it names the CLEAR that opened it, and the foreign key wants that row to be a CLEAR.
create table fulfillment.fulfillment_order (
  merchant_id text not null,
  id text not null,
  order_id text not null,
  revision integer not null,
  partner_id text not null,
  location_id text not null,
  generation integer not null default 1 check (generation >= 1),
  lines jsonb not null,
  state text not null check (state in
    ('held', 'open', 'sealed', 'accepted', 'shipped', 'delivered', 'rejected', 'recalled', 'withdrawn')),
  cleared_by text,
  cleared_verdict text check (cleared_verdict = 'clear'),
  effective_at timestamptz,
  dispatch_id text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (merchant_id, id),
  unique (merchant_id, order_id, revision, partner_id),
  foreign key (merchant_id, order_id, cleared_by, cleared_verdict)
    references fulfillment.decision (merchant_id, order_id, id, verdict),
  check (state in ('held', 'withdrawn')
    or (cleared_by is not null and cleared_verdict is not null and effective_at is not null)),
  check (state in ('held', 'open', 'withdrawn') or dispatch_id is not null)
) with (fillfactor = 80);
create index fulfillment_order_open on fulfillment.fulfillment_order
  (merchant_id, partner_id, effective_at) where state = 'open';
create index fulfillment_order_by_state on fulfillment.fulfillment_order (merchant_id, state)
  where state in ('held', 'sealed', 'accepted', 'rejected');
grant select, insert on fulfillment.fulfillment_order to holdfast_runtime;
grant update (state, cleared_by, cleared_verdict, effective_at, dispatch_id, updated_at)
  on fulfillment.fulfillment_order to holdfast_runtime;

create table fulfillment.hold (
  merchant_id text not null,
  id text not null,
  fulfillment_id text not null,
  kind text not null check (kind in ('review', 'operator')),
  reasons text[] not null check (cardinality(reasons) > 0),
  placed_by text not null,
  placed_at timestamptz not null default now(),
  released_at timestamptz,
  released_by text,
  release_reason text,
  primary key (merchant_id, id),
  foreign key (merchant_id, fulfillment_id) references fulfillment.fulfillment_order,
  check ((released_at is null) = (released_by is null)),
  check ((released_at is null) = (release_reason is null))
);
create index hold_open on fulfillment.hold (merchant_id, fulfillment_id) where released_at is null;
grant select, insert on fulfillment.hold to holdfast_runtime;
grant update (released_at, released_by, release_reason) on fulfillment.hold to holdfast_runtime;

-- Sequence per partner, gap-free, allocated under this row's lock at the seal.
create table fulfillment.lane (
  merchant_id text not null,
  partner_id text not null,
  next_sequence bigint not null default 1,
  primary key (merchant_id, partner_id)
);
grant select, insert on fulfillment.lane to holdfast_runtime;
grant update (next_sequence) on fulfillment.lane to holdfast_runtime;

create table fulfillment.batch (
  merchant_id text not null,
  id text not null,
  partner_id text not null,
  orders integer not null check (orders between 1 and 100),
  planned_at timestamptz not null default now(),
  provenance_id text not null,
  primary key (merchant_id, id)
);
grant select, insert on fulfillment.batch to holdfast_runtime;

create table fulfillment.dispatch (
  merchant_id text not null,
  id text not null,
  partner_id text not null,
  batch_id text not null,
  revision integer not null check (revision >= 1),
  key text not null check (key ~ '^hfd1-[a-z2-7]{32}$'),
  content_sha256 bytea not null check (octet_length(content_sha256) = 32),
  sequence bigint not null,
  fence_epoch integer not null,
  state text not null default 'queued' check (state in
    ('queued', 'sending', 'unknown', 'accepted', 'rejected', 'needs_operator', 'quarantined', 'recalled')),
  attempt integer not null default 0,
  next_attempt_at timestamptz not null default now(),
  lease_token text,
  lease_until timestamptz,
  intent_at timestamptz,
  first_attempt_at timestamptz,
  settled_at timestamptz,
  last_code text,
  sealed_at timestamptz not null default now(),
  provenance_id text not null,
  primary key (merchant_id, id),
  unique (merchant_id, key),
  unique (merchant_id, batch_id, revision),
  unique (merchant_id, batch_id, content_sha256),
  unique (merchant_id, partner_id, sequence),
  foreign key (merchant_id, batch_id) references fulfillment.batch,
  check (state <> 'sending' or (lease_token is not null and lease_until is not null and intent_at is not null))
) with (fillfactor = 80);
create index dispatch_live on fulfillment.dispatch (merchant_id, partner_id, next_attempt_at)
  where state in ('queued', 'sending', 'unknown');
create index dispatch_loud on fulfillment.dispatch (merchant_id, state)
  where state in ('unknown', 'needs_operator', 'quarantined');
grant select, insert on fulfillment.dispatch to holdfast_runtime;
grant update (state, attempt, next_attempt_at, lease_token, lease_until, intent_at, first_attempt_at,
  settled_at, last_code, fence_epoch) on fulfillment.dispatch to holdfast_runtime;

-- The sealed bytes: written once as bytea; nobody but the owner could change them.
create table fulfillment.sealed_body (
  merchant_id text not null,
  dispatch_id text not null,
  bytes bytea not null check (octet_length(bytes) <= 524288),
  primary key (merchant_id, dispatch_id),
  foreign key (merchant_id, dispatch_id) references fulfillment.dispatch
);
grant select, insert on fulfillment.sealed_body to holdfast_runtime;

-- Ship-once: one live line per fulfillment order and generation, and only under a CLEAR.
create table fulfillment.line_claim (
  merchant_id text not null,
  fulfillment_id text not null,
  generation integer not null,
  dispatch_id text not null,
  order_id text not null,
  decision_id text not null,
  verdict text not null check (verdict = 'clear'),
  state text not null default 'live' check (state in ('live', 'recalled', 'rejected', 'superseded')),
  primary key (merchant_id, dispatch_id, fulfillment_id),
  foreign key (merchant_id, dispatch_id) references fulfillment.dispatch,
  foreign key (merchant_id, fulfillment_id) references fulfillment.fulfillment_order,
  foreign key (merchant_id, order_id, decision_id, verdict)
    references fulfillment.decision (merchant_id, order_id, id, verdict)
);
create unique index one_live_line on fulfillment.line_claim (merchant_id, fulfillment_id, generation)
  where state not in ('recalled', 'rejected', 'superseded');
grant select, insert on fulfillment.line_claim to holdfast_runtime;
grant update (state) on fulfillment.line_claim to holdfast_runtime;

create table fulfillment.attempt (
  merchant_id text not null,
  dispatch_id text not null,
  attempt integer not null,
  started_at timestamptz not null,
  finished_at timestamptz not null default now(),
  class text not null,
  status integer,
  code text,
  response bytea check (octet_length(response) <= 16384),
  primary key (merchant_id, dispatch_id, attempt)
);
grant select, insert on fulfillment.attempt to holdfast_runtime;

-- Inbound partner events, kept before the 2xx. `applied_at` null is the work list.
create table fulfillment.inbox (
  merchant_id text not null,
  partner_id text not null,
  webhook_id text not null,
  body_sha256 bytea not null check (octet_length(body_sha256) = 32),
  raw bytea not null check (octet_length(raw) <= 1048576),
  received_at timestamptz not null default now(),
  applied_at timestamptz,
  outcome text,
  primary key (merchant_id, partner_id, webhook_id)
);
create index inbox_open on fulfillment.inbox (merchant_id, received_at) where applied_at is null;
grant select, insert on fulfillment.inbox to holdfast_runtime;
grant update (applied_at, outcome) on fulfillment.inbox to holdfast_runtime;

create table fulfillment.shipment (
  merchant_id text not null,
  id text not null,
  partner_id text not null,
  partner_shipment_id text not null,
  fulfillment_id text not null,
  dispatch_id text not null,
  carrier text,
  tracking_number text,
  lines jsonb not null,
  shipped_at timestamptz not null,
  recorded_at timestamptz not null default now(),
  primary key (merchant_id, id),
  unique (merchant_id, partner_id, partner_shipment_id),
  foreign key (merchant_id, fulfillment_id) references fulfillment.fulfillment_order
);
create index shipment_by_fulfillment on fulfillment.shipment (merchant_id, fulfillment_id);
grant select, insert on fulfillment.shipment to holdfast_runtime;

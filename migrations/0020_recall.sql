alter table fulfillment.dispatch
  drop constraint dispatch_state_check,
  add constraint dispatch_state_check check (state in
    ('queued', 'sending', 'unknown', 'accepted', 'rejected', 'needs_operator', 'quarantined',
     'recalling', 'recalled', 'recall_partial', 'too_late'));

-- The wish to have one line back from its partner, kept before anybody is asked, and what came of it.
-- One a line and dispatch: while it is open the dispatch is not sent again.
create table fulfillment.recall_line (
  merchant_id text not null,
  dispatch_id text not null,
  fulfillment_id text not null,
  order_id text not null,
  partner_id text not null,
  cause text not null check (cause in ('cancel', 'reject', 'amend', 'hold', 'operator')),
  actor text not null check (actor <> ''),
  reason text not null,
  state text not null default 'requested' check (state in
    ('requested', 'in_progress', 'recalled', 'too_late', 'unknown_order', 'rejected')),
  tracking_number text,
  asked integer not null default 0 check (asked >= 0),
  next_ask_at timestamptz not null default now(),
  requested_at timestamptz not null default now(),
  answered_at timestamptz,
  primary key (merchant_id, dispatch_id, fulfillment_id),
  foreign key (merchant_id, dispatch_id, fulfillment_id) references fulfillment.line_claim,
  check ((state in ('requested', 'in_progress')) = (answered_at is null))
);
create index recall_line_open on fulfillment.recall_line (merchant_id, partner_id, next_ask_at)
  where state in ('requested', 'in_progress');
create index recall_line_unanswered on fulfillment.recall_line (merchant_id)
  where state = 'unknown_order';
create index recall_line_by_order on fulfillment.recall_line (merchant_id, order_id);
grant select, insert on fulfillment.recall_line to holdfast_runtime;
grant update (state, tracking_number, asked, next_ask_at, answered_at) on fulfillment.recall_line
  to holdfast_runtime;

-- One request to a partner to give lines of a dispatch back, under a key of its own. A partner that is
-- still picking is asked again by another one, because the same key gets the same answer for ever.
create table fulfillment.recall (
  merchant_id text not null,
  id text not null,
  dispatch_id text not null,
  partner_id text not null,
  batch_id text not null,
  revision integer not null check (revision >= 1),
  key text not null check (key ~ '^hfd1-[a-z2-7]{32}$'),
  state text not null default 'queued' check (state in
    ('queued', 'sending', 'unknown', 'answered', 'needs_operator', 'quarantined')),
  attempt integer not null default 0,
  next_attempt_at timestamptz not null default now(),
  lease_token text,
  lease_until timestamptz,
  intent_at timestamptz,
  answered_at timestamptz,
  last_code text,
  sealed_at timestamptz not null default now(),
  provenance_id text not null,
  primary key (merchant_id, id),
  unique (merchant_id, key),
  unique (merchant_id, batch_id, revision),
  foreign key (merchant_id, dispatch_id) references fulfillment.dispatch,
  check (state <> 'sending' or (lease_token is not null and lease_until is not null and intent_at is not null)),
  check ((state = 'answered') = (answered_at is not null))
);
create unique index one_live_recall on fulfillment.recall (merchant_id, dispatch_id)
  where state <> 'answered';
create index recall_live on fulfillment.recall (merchant_id, partner_id, next_attempt_at)
  where state in ('queued', 'sending', 'unknown');
create index recall_loud on fulfillment.recall (merchant_id, state)
  where state in ('needs_operator', 'quarantined');
grant select, insert on fulfillment.recall to holdfast_runtime;
grant update (state, attempt, next_attempt_at, lease_token, lease_until, intent_at, answered_at, last_code)
  on fulfillment.recall to holdfast_runtime;

-- The bytes of a recall, sealed like those of a dispatch.
create table fulfillment.recall_body (
  merchant_id text not null,
  recall_id text not null,
  bytes bytea not null check (octet_length(bytes) <= 65536),
  proof_key_id text not null,
  proof bytea not null check (octet_length(proof) = 32),
  primary key (merchant_id, recall_id),
  foreign key (merchant_id, recall_id) references fulfillment.recall
);
grant select, insert on fulfillment.recall_body to holdfast_runtime;

-- The lines that a recall asks for, and the partner's answer for each, written once.
create table fulfillment.recall_order (
  merchant_id text not null,
  recall_id text not null,
  dispatch_id text not null,
  fulfillment_id text not null,
  order_key text not null check (order_key ~ '^hfo1-[a-z2-7]{32}$'),
  outcome text check (outcome in ('recalled', 'too_late', 'in_progress', 'unknown_order')),
  tracking_number text,
  answered_by text,
  answered_at timestamptz,
  primary key (merchant_id, recall_id, fulfillment_id),
  unique (merchant_id, recall_id, order_key),
  foreign key (merchant_id, recall_id) references fulfillment.recall,
  foreign key (merchant_id, dispatch_id, fulfillment_id) references fulfillment.recall_line,
  check ((outcome is null) = (answered_at is null)),
  check ((outcome is null) = (answered_by is null))
);
grant select, insert on fulfillment.recall_order to holdfast_runtime;
grant update (outcome, tracking_number, answered_by, answered_at) on fulfillment.recall_order
  to holdfast_runtime;

create table fulfillment.recall_attempt (
  merchant_id text not null,
  recall_id text not null,
  attempt integer not null,
  started_at timestamptz not null,
  finished_at timestamptz not null default now(),
  class text not null,
  status integer,
  code text,
  response bytea check (octet_length(response) <= 16384),
  primary key (merchant_id, recall_id, attempt),
  foreign key (merchant_id, recall_id) references fulfillment.recall
);
grant select, insert on fulfillment.recall_attempt to holdfast_runtime;

-- What came back is found again by its fulfillment order; the ship-once index knows live lines alone.
create index line_claim_given_back on fulfillment.line_claim (merchant_id, fulfillment_id)
  where state in ('recalled', 'rejected', 'superseded');

-- The feed reads the log in the order of transactions. Keys only rise, so every entry goes to the last
-- leaf; entries of one transaction share their key and are stored once.
create index event_feed on platform.event (merchant_id, xact);

create schema subscriptions;
grant usage on schema subscriptions to holdfast_runtime;

-- Who wants to be told of what, and how far the feed has been read for it. `events` are public names;
-- none means all. A subscription that is paused stands still and loses nothing.
create table subscriptions.subscription (
  merchant_id text not null,
  id text not null,
  url text not null,
  description text not null default '',
  events text[] not null,
  allow_private boolean not null default false,
  concurrency_max integer not null default 8 check (concurrency_max between 1 and 16),
  cursor_xact xid8 not null,
  cursor_id text not null,
  paused_at timestamptz,
  paused_reason text check (paused_reason in ('operator', 'failing', 'gone')),
  failures integer not null default 0 check (failures >= 0),
  failing_since timestamptz,
  not_before timestamptz not null default now(),
  created_by text not null check (created_by <> ''),
  created_at timestamptz not null default now(),
  deleted_at timestamptz,
  primary key (merchant_id, id),
  check ((paused_at is null) = (paused_reason is null)),
  check ((failing_since is null) = (failures = 0))
) with (fillfactor = 50);
grant select, insert on subscriptions.subscription to holdfast_runtime;
grant update (cursor_xact, cursor_id, paused_at, paused_reason, failures, failing_since, not_before,
  deleted_at) on subscriptions.subscription to holdfast_runtime;

-- Sealed under the master key. A rotated secret signs beside the new one until it expires.
create table subscriptions.secret (
  merchant_id text not null,
  subscription_id text not null,
  number integer not null check (number >= 1),
  sealed bytea not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  primary key (merchant_id, subscription_id, number),
  foreign key (merchant_id, subscription_id) references subscriptions.subscription
);
grant select, insert on subscriptions.secret to holdfast_runtime;
grant update (expires_at) on subscriptions.secret to holdfast_runtime;

-- Written before the subscription that it names, in one transaction: the key is what two requests meet at.
create table subscriptions.creation_key (
  merchant_id text not null,
  actor text not null,
  key text not null,
  request_sha256 bytea not null check (octet_length(request_sha256) = 32),
  subscription_id text not null,
  at timestamptz not null default now(),
  primary key (merchant_id, actor, key)
);
grant select, insert on subscriptions.creation_key to holdfast_runtime;

-- One event for one subscription: its id is the `webhook-id` of every attempt, its body never changes.
-- While a lease token stands, `next_attempt_at` is the end of the lease: after a crash it is simply due.
create table subscriptions.delivery (
  merchant_id text not null,
  subscription_id text not null,
  id text not null check (id ~ '^[A-Za-z0-9_-]{1,64}$'),
  event_id text not null,
  type text not null,
  body bytea not null check (octet_length(body) <= 65536),
  state text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
  attempt integer not null default 0,
  tries integer not null default 0,
  next_attempt_at timestamptz not null default now(),
  lease_token text,
  last_code text,
  last_status integer,
  created_at timestamptz not null default now(),
  settled_at timestamptz,
  primary key (merchant_id, subscription_id, id),
  foreign key (merchant_id, subscription_id) references subscriptions.subscription,
  check ((state = 'pending') = (settled_at is null)),
  check (state = 'pending' or lease_token is null)
) with (fillfactor = 80);
create index delivery_due on subscriptions.delivery (merchant_id, subscription_id, next_attempt_at)
  where state = 'pending';
create index delivery_settled on subscriptions.delivery (merchant_id, settled_at)
  where settled_at is not null;
grant select, insert, delete on subscriptions.delivery to holdfast_runtime;
grant update (state, attempt, tries, next_attempt_at, lease_token, last_code, last_status, settled_at)
  on subscriptions.delivery to holdfast_runtime;

-- The log of attempts. It goes with its delivery when that is too old.
create table subscriptions.attempt (
  merchant_id text not null,
  subscription_id text not null,
  delivery_id text not null,
  attempt integer not null check (attempt >= 1),
  started_at timestamptz not null,
  duration_ms integer not null check (duration_ms >= 0),
  outcome text not null check (outcome in ('delivered', 'refused', 'unreachable', 'gone')),
  status integer,
  code text not null,
  response bytea not null check (octet_length(response) <= 4096),
  primary key (merchant_id, subscription_id, delivery_id, attempt),
  foreign key (merchant_id, subscription_id, delivery_id)
    references subscriptions.delivery on delete cascade
);
grant select, insert on subscriptions.attempt to holdfast_runtime;

-- A parcel that reached its address, as its partner names it. It may be told before the parcel itself:
-- `shipment_id` is set once, when both are known, and that is when the delivery is told.
create table fulfillment.parcel_delivery (
  merchant_id text not null,
  partner_id text not null,
  partner_shipment_id text not null,
  fulfillment_id text not null,
  delivered_at timestamptz not null,
  recorded_at timestamptz not null default now(),
  shipment_id text,
  primary key (merchant_id, partner_id, partner_shipment_id)
);
grant select, insert on fulfillment.parcel_delivery to holdfast_runtime;
grant update (shipment_id) on fulfillment.parcel_delivery to holdfast_runtime;

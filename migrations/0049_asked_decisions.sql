-- A decision of a person is a wish first: fulfillment is asked what it would still change, and only then is
-- it recorded. The wish is committed before fulfillment is asked, so that no crash leaves a hold there that
-- nobody here knows of. Its id is the id of the decision to be.
create table orders.decision_wish (
  merchant_id text not null,
  id text not null,
  order_id text not null,
  verdict text not null check (verdict in ('hold', 'clear')),
  revision integer not null,
  -- The newest decision that the person had before them: a CLEAR counts only after that one.
  after_number integer not null,
  actor text not null check (actor <> ''),
  reason text not null,
  request_key text,
  -- `dropping`: it was not recorded, and fulfillment is not told yet.
  state text not null default 'asked'
    check (state in ('asked', 'recorded', 'refused', 'dropping', 'dropped')),
  -- What was answered when it was recorded; the same request again is answered the same.
  answer jsonb,
  asked integer not null default 0,
  ask_after timestamptz not null default now() + interval '30 seconds',
  wished_at timestamptz not null default now(),
  settled_at timestamptz,
  primary key (merchant_id, id),
  foreign key (merchant_id, order_id) references orders."order",
  check ((state = 'recorded') = (answer is not null)),
  check ((state = 'asked') = (settled_at is null))
);
create unique index one_open_decision_wish on orders.decision_wish (merchant_id, order_id)
  where state = 'asked';
create unique index one_decision_wish_of_a_key
  on orders.decision_wish (merchant_id, order_id, actor, request_key)
  where state in ('asked', 'recorded') and request_key is not null;
create index decision_wish_due on orders.decision_wish (merchant_id, ask_after)
  where state in ('asked', 'dropping');
grant select, insert on orders.decision_wish to holdfast_runtime;
grant update (state, answer, asked, ask_after, settled_at) on orders.decision_wish to holdfast_runtime;

-- The HOLD that fulfillment was asked for. While it stands the order is held here, whatever has arrived:
-- until the decision of this id does, or order processing says that it was never recorded.
create table fulfillment.asked_decision (
  merchant_id text not null,
  id text not null,
  order_id text not null,
  revision integer not null check (revision >= 1),
  state text not null check (state in ('standing', 'arrived', 'dropped')),
  asked_at timestamptz not null default now(),
  settled_at timestamptz,
  primary key (merchant_id, id),
  check ((state = 'standing') = (settled_at is null))
);
create index asked_decision_standing on fulfillment.asked_decision (merchant_id, order_id)
  where state = 'standing';
grant select, insert on fulfillment.asked_decision to holdfast_runtime;
grant update (state, settled_at) on fulfillment.asked_decision to holdfast_runtime;

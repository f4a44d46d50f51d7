-- The first of the two "not found" that a class C partner must give, a gap apart, before a resend.
alter table fulfillment.dispatch add column absent_since timestamptz;
grant update (absent_since) on fulfillment.dispatch to holdfast_runtime;

-- A partner that answered 429 is sent to at a rate: a token bucket, halved at each 429 and let go again
-- while none comes. Null: as fast as its concurrency allows.
alter table fulfillment.lane
  add column rate_per_s double precision check (rate_per_s > 0),
  add column tokens double precision not null default 0,
  add column tokens_at timestamptz not null default now(),
  add column throttled_at timestamptz;
grant update (rate_per_s, tokens, tokens_at, throttled_at) on fulfillment.lane to holdfast_runtime;

import { statement } from '#platform/index.ts'
import { ACCEPTED_STATE, IS_ASKED_BACK } from '../recall/accepted-state.ts'
import { IS_STOPPED_BY_PROMISE } from '../promise/near-promise.ts'
import { LANE_IS_OPEN } from '../reconcile/lane-gate.ts'

/**
 * The intent: takes due dispatches of a partner up to its free concurrency and marks them as being
 * sent, in database time. Nothing is taken where the lane is not open for this session. A dispatch of an
 * earlier fence epoch (before a restore) is left alone, and so is every dispatch of a partner that is paused, of which lines are asked back, or whose promise is
 * too near to try it once more without a person.
 */
export const claimDue = statement({
  name: 'fulfillment.claim_due_dispatches',
  params: {
    merchant: 'text',
    partner: 'text',
    session: 'text',
    wal: 'int8',
    concurrency: 'int4',
    limit: 'int4',
    token: 'text',
    lease: 'int4',
  },
  row: {
    id: 'text',
    key: 'text',
    content_sha256: 'bytea',
    fence_epoch: 'int4',
    attempt: 'int4',
    bytes: 'bytea',
    proof_key_id: 'text?',
    proof: 'bytea?',
    fulfillments: 'text[]',
    intent_at: 'timestamptz',
    /** The newest of its sequence that the partner had answered for when this one was claimed. */
    accepted_sequence: 'int8',
    /** Until the nearest promise of its orders; null where none has one. */
    promise_left_ms: 'float8?',
  },
  text: `
    with bucket as (
      select merchant_id, partner_id, rate_per_s,
             least(greatest(1, rate_per_s),
                   tokens + rate_per_s * extract(epoch from now() - tokens_at)) as tokens
        from fulfillment.lane
       where merchant_id = $merchant and partner_id = $partner and rate_per_s is not null
         for update
    ), busy as (
      select count(*)::int as sending from fulfillment.dispatch
       where merchant_id = $merchant and partner_id = $partner and state = 'sending'
    ), due as (
      select d.merchant_id, d.id from fulfillment.dispatch d
       where d.merchant_id = $merchant and d.partner_id = $partner and d.state = 'queued'
         and d.next_attempt_at <= now()
         and d.fence_epoch = (select fence_epoch from platform.instance)
         and ${LANE_IS_OPEN} and not ${IS_ASKED_BACK}
         and not ${IS_STOPPED_BY_PROMISE}
         and exists (select from partners.partner p
                      where p.merchant_id = $merchant and p.id = $partner and p.paused_at is null)
       order by d.next_attempt_at, d.id
       limit greatest(0, least($limit, $concurrency - (select sending from busy),
                               coalesce((select floor(tokens)::int from bucket), $limit)))
         for update skip locked
    ), claimed as (
      update fulfillment.dispatch d
         set state = 'sending', lease_token = $token,
             lease_until = now() + make_interval(secs => $lease), intent_at = now(),
             first_attempt_at = coalesce(d.first_attempt_at, now()), attempt = d.attempt + 1,
             absent_since = null
        from due
       where d.merchant_id = due.merchant_id and d.id = due.id
      returning d.merchant_id, d.id, d.key, d.content_sha256, d.fence_epoch, d.attempt, d.intent_at,
                d.ship_by
    ), spent as (
      -- A minute without a 429 gives half as much again; beyond 500 a second nothing holds it back.
      update fulfillment.lane l
         set tokens = b.tokens - (select count(*) from claimed), tokens_at = now(),
             throttled_at = case when b.is_calm then now() else l.throttled_at end,
             rate_per_s = case when not b.is_calm then b.rate_per_s
                               when b.rate_per_s < 333 then b.rate_per_s * 1.5 end
        from (select bucket.*, lane.throttled_at < now() - interval '1 minute' as is_calm
                from bucket join fulfillment.lane using (merchant_id, partner_id)) b
       where l.merchant_id = b.merchant_id and l.partner_id = b.partner_id
    ), newest as (
      select sequence from fulfillment.dispatch
       where merchant_id = $merchant and partner_id = $partner
         and state in ('accepted', 'rejected', 'recall_partial', 'too_late')
       order by sequence desc limit 1
    )
    select c.id, c.key, c.content_sha256, c.fence_epoch, c.attempt, b.bytes, b.proof_key_id, b.proof,
           extract(epoch from c.ship_by - now())::float8 * 1000 as promise_left_ms,
           c.intent_at, coalesce((select sequence from newest), 0) as accepted_sequence,
           array(select l.fulfillment_id from fulfillment.line_claim l
                  where l.merchant_id = c.merchant_id and l.dispatch_id = c.id
                  order by l.fulfillment_id) as fulfillments
      from claimed c
      join fulfillment.sealed_body b on b.merchant_id = c.merchant_id and b.dispatch_id = c.id`,
})

/** Takes unknown dispatches whose look-up is due, each for a minute. */
export const claimUnknown = statement({
  name: 'fulfillment.claim_unknown_dispatches',
  params: { merchant: 'text', partner: 'text', limit: 'int4', token: 'text' },
  row: {
    id: 'text',
    key: 'text',
    content_sha256: 'bytea',
    attempt: 'int4',
    last_code: 'text?',
    last_status: 'int4?',
    since_first_ms: 'float8',
    unknown_for_ms: 'float8',
    absent_for_ms: 'float8?',
    promise_left_ms: 'float8?',
    accepted_sequence: 'int8',
    is_asked_back: 'bool',
    fulfillments: 'text[]',
    token: 'text',
    now: 'timestamptz',
  },
  text: `
    with due as (
      select merchant_id, id from fulfillment.dispatch
       where merchant_id = $merchant and partner_id = $partner and state = 'unknown'
         and next_attempt_at <= now()
       order by next_attempt_at, id
       limit $limit
         for update skip locked
    ), claimed as (
      update fulfillment.dispatch d
         set lease_token = $token, next_attempt_at = now() + interval '1 minute'
        from due
       where d.merchant_id = due.merchant_id and d.id = due.id
      returning d.*
    )
    select c.id, c.key, c.content_sha256, c.attempt, c.last_code, c.lease_token as token,
           now() as now,
           (select a.status from fulfillment.attempt a
             where a.merchant_id = c.merchant_id and a.dispatch_id = c.id
             order by a.attempt desc limit 1) as last_status,
           extract(epoch from now() - c.first_attempt_at)::float8 * 1000 as since_first_ms,
           extract(epoch from now() - c.intent_at)::float8 * 1000 as unknown_for_ms,
           extract(epoch from now() - c.absent_since)::float8 * 1000 as absent_for_ms,
           extract(epoch from c.ship_by - now())::float8 * 1000 as promise_left_ms,
           coalesce((select sequence from fulfillment.dispatch n
                      where n.merchant_id = $merchant and n.partner_id = $partner
                        and n.state in ('accepted', 'rejected', 'recall_partial', 'too_late')
                      order by sequence desc limit 1), 0) as accepted_sequence,
           exists (select from fulfillment.recall_line r
                    where r.merchant_id = c.merchant_id and r.dispatch_id = c.id
                      and r.state in ('requested', 'in_progress')) as is_asked_back,
           array(select l.fulfillment_id from fulfillment.line_claim l
                  where l.merchant_id = c.merchant_id and l.dispatch_id = c.id
                  order by l.fulfillment_id) as fulfillments
      from claimed c`,
})

/** Turns expired leases into unknown outcomes: whoever held them may have sent. */
export const expireLeases = statement({
  name: 'fulfillment.expire_leases',
  params: { merchant: 'text', partner: 'text', state: 'text' },
  row: { id: 'text', attempt: 'int4', intent_at: 'timestamptz' },
  text: `
    update fulfillment.dispatch
       set state = $state, last_code = 'lease_expired', lease_token = null, lease_until = null,
           next_attempt_at = now()
     where merchant_id = $merchant and partner_id = $partner and state = 'sending'
       and lease_until < now()
    returning id, attempt, intent_at`,
})

/** Completes dispatches, fenced: only who still holds the lease may say what became of it. */
export const completeDispatches = statement({
  name: 'fulfillment.complete_dispatches',
  params: {
    merchant: 'text',
    ids: 'text[]',
    tokens: 'text[]',
    before: 'text[]',
    states: 'text[]',
    delays: 'float8[]',
    codes: 'text[]',
    absent: 'bool[]',
  },
  row: { id: 'text' },
  text: `
    with s as materialized (
      select $merchant as merchant_id, u.*
        from (select unnest($ids) as id, unnest($tokens) as token, unnest($before) as before,
                     unnest($states) as state, unnest($delays) as delay_ms, unnest($codes) as code,
                     unnest($absent) as is_absent) as u
    )
    update fulfillment.dispatch d
       set state = case when s.state = 'accepted' then ${ACCEPTED_STATE} else s.state end,
           last_code = s.code, lease_token = null, lease_until = null,
           next_attempt_at = now() + s.delay_ms * interval '1 millisecond',
           absent_since = case when s.is_absent then coalesce(d.absent_since, now()) end,
           settled_at = case when s.state in ('accepted', 'rejected') then now() end
      from s
     where d.merchant_id = s.merchant_id and d.id = s.id and d.lease_token = s.token
       and d.state = s.before
    returning d.id`,
})

/** Keeps what each attempt saw. */
export const insertAttempts = statement({
  name: 'fulfillment.insert_attempts',
  params: {
    merchant: 'text',
    dispatches: 'text[]',
    attempts: 'int4[]',
    started: 'timestamptz[]',
    classes: 'text[]',
    statuses: 'int4[]',
    codes: 'text[]',
    responses: 'bytea[]',
  },
  text: `
    insert into fulfillment.attempt
      (merchant_id, dispatch_id, attempt, started_at, class, status, code, response)
    select $merchant, a.dispatch_id, a.attempt, a.started_at, a.class, nullif(a.status, 0), a.code,
           nullif(a.response, ''::bytea)
      from (select unnest($dispatches) as dispatch_id, unnest($attempts) as attempt,
                   unnest($started) as started_at, unnest($classes) as class, unnest($statuses) as status,
                   unnest($codes) as code, unnest($responses) as response) as a
    on conflict do nothing`,
})

/** Moves sealed fulfillment orders to what their partner answered; never one that has shipped. */
export const answerOrders = statement({
  name: 'fulfillment.answer_fulfillment_orders',
  params: { merchant: 'text', dispatches: 'text[]', fulfillments: 'text[]', states: 'text[]' },
  row: { id: 'text', order_id: 'text', state: 'text' },
  text: `
    with a as materialized (
      select $merchant as merchant_id, u.dispatch_id, u.fulfillment_id, u.state
        from (select unnest($dispatches) as dispatch_id, unnest($fulfillments) as fulfillment_id,
                     unnest($states) as state) as u
    )
    update fulfillment.fulfillment_order f
       set state = a.state, updated_at = now()
      from a
     where f.merchant_id = a.merchant_id and f.id = a.fulfillment_id
       and f.dispatch_id = a.dispatch_id and f.state = 'sealed'
    returning f.id, f.order_id, f.state`,
})

/** Frees the lines that a partner definitely refused. */
export const rejectClaims = statement({
  name: 'fulfillment.reject_line_claims',
  params: { merchant: 'text', dispatches: 'text[]', fulfillments: 'text[]' },
  text: `
    with r as materialized (
      select $merchant as merchant_id, u.dispatch_id, u.fulfillment_id
        from (select unnest($dispatches) as dispatch_id, unnest($fulfillments) as fulfillment_id) as u
    )
    update fulfillment.line_claim l
       set state = 'rejected'
      from r
     where l.merchant_id = r.merchant_id and l.dispatch_id = r.dispatch_id
       and l.fulfillment_id = r.fulfillment_id and l.state = 'live'`,
})

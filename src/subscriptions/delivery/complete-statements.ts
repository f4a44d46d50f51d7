import { statement } from '#platform/index.ts'

/** Writes what came of attempts; where the lease is another's by now, nothing. */
export const completeDeliveries = statement({
  name: 'subscriptions.complete_deliveries',
  params: {
    merchant: 'text',
    subscriptions: 'text[]',
    ids: 'text[]',
    tokens: 'text[]',
    states: 'text[]',
    delays: 'float8[]',
    codes: 'text[]',
    statuses: 'int4[]',
  },
  row: { subscription_id: 'text', id: 'text' },
  text: `
    with a as materialized (
      select $merchant as merchant_id, u.*
        from (select unnest($subscriptions) as subscription_id, unnest($ids) as id,
                     unnest($tokens) as token, unnest($states) as state, unnest($delays) as delay_ms,
                     unnest($codes) as code, unnest($statuses) as status) as u
    )
    update subscriptions.delivery d
       set state = a.state, lease_token = null, last_code = a.code,
           last_status = nullif(a.status, 0),
           next_attempt_at = now() + make_interval(secs => a.delay_ms / 1000),
           settled_at = case when a.state <> 'pending' then now() end
      from a
     where d.merchant_id = a.merchant_id and d.subscription_id = a.subscription_id and d.id = a.id
       and d.state = 'pending' and d.lease_token = a.token
    returning d.subscription_id, d.id`,
})

/** Appends to the log of attempts. */
export const insertAttempts = statement({
  name: 'subscriptions.insert_attempts',
  params: {
    merchant: 'text',
    subscriptions: 'text[]',
    deliveries: 'text[]',
    attempts: 'int4[]',
    started: 'timestamptz[]',
    durations: 'int4[]',
    outcomes: 'text[]',
    statuses: 'int4[]',
    codes: 'text[]',
    responses: 'bytea[]',
  },
  text: `
    insert into subscriptions.attempt
      (merchant_id, subscription_id, delivery_id, attempt, started_at, duration_ms, outcome, status,
       code, response)
    select $merchant, a.subscription_id, a.delivery_id, a.attempt, a.started_at, a.duration_ms,
           a.outcome, nullif(a.status, 0), a.code, a.response
      from (select unnest($subscriptions) as subscription_id, unnest($deliveries) as delivery_id,
                   unnest($attempts) as attempt, unnest($started) as started_at,
                   unnest($durations) as duration_ms, unnest($outcomes) as outcome,
                   unnest($statuses) as status, unnest($codes) as code, unnest($responses) as response) as a`,
})

/**
 * Keeps how endpoints are: one success clears its failures; in a row they slow it down, from the fifth
 * on by 1 s, 2 s, 4 s and so on up to five minutes. A `Retry-After` holds for the whole endpoint.
 */
export const keepHealth = statement({
  name: 'subscriptions.keep_health',
  params: {
    merchant: 'text',
    ids: 'text[]',
    succeeded: 'bool[]',
    failed: 'int4[]',
    waits: 'float8[]',
    probing: 'int4',
  },
  row: { id: 'text', failures: 'int4', failing_for_ms: 'float8' },
  text: `
    with a as materialized (
      select $merchant as merchant_id, u.*
        from (select unnest($ids) as id, unnest($succeeded) as succeeded, unnest($failed) as failed,
                     unnest($waits) as wait_ms) as u
       order by u.id
    )
    update subscriptions.subscription s
       set failures = case when a.succeeded then 0 else s.failures + a.failed end,
           failing_since = case when not a.succeeded then coalesce(s.failing_since, now()) end,
           not_before = now() + make_interval(secs => greatest(
             a.wait_ms / 1000,
             case when a.succeeded or s.failures + a.failed < $probing then 0
                  else least(300, power(2, least(s.failures + a.failed - $probing, 9))) end))
      from a
     where s.merchant_id = a.merchant_id and s.id = a.id
       and (s.failures > 0 or a.failed > 0 or a.wait_ms > 0)
    returning s.id, s.failures,
              coalesce(extract(epoch from now() - s.failing_since), 0)::float8 * 1000
                as failing_for_ms`,
})

import { statement } from '#platform/index.ts'
import { PROBING_FAILURES } from './retry-schedule.ts'

/** Deliveries that wait at most, or the subscription is not read on: what waits in the feed is free. */
export const PENDING_MAX = 1_000

/** What every live subscription has to do now, and has room for. */
export const selectWork = statement({
  name: 'subscriptions.select_work',
  params: { merchant: 'text', probing: 'int4', pending: 'int4' },
  row: {
    id: 'text',
    url: 'text',
    allow_private: 'bool',
    concurrency: 'int4',
    is_due: 'bool',
    is_behind: 'bool',
  },
  text: `
    select s.id, s.url, s.allow_private, s.concurrency,
           s.not_before <= now()
             and exists (select from subscriptions.delivery d
                          where d.merchant_id = s.merchant_id and d.subscription_id = s.id
                            and d.state = 'pending' and d.next_attempt_at <= now())
             and (select count(*) from subscriptions.delivery d
                   where d.merchant_id = s.merchant_id and d.subscription_id = s.id
                     and d.state = 'pending' and d.next_attempt_at > now()
                     and d.lease_token is not null) < s.concurrency as is_due,
           exists (select from platform.event e
                    where e.merchant_id = s.merchant_id and e.xact >= s.cursor_xact
                      and (e.xact, e.id) > (s.cursor_xact, s.cursor_id)
                      and e.xact < pg_snapshot_xmin(pg_current_snapshot()))
             and (select count(*) from (
                    select from subscriptions.delivery d
                     where d.merchant_id = s.merchant_id and d.subscription_id = s.id
                       and d.state = 'pending'
                     limit $pending) waiting) < $pending as is_behind
      from (select *, case when failures >= $probing then 1 else concurrency_max end as concurrency
              from subscriptions.subscription
             where merchant_id = $merchant and paused_at is null and deleted_at is null) s
     order by s.id`,
})

/** The parameters of `selectWork` that are ours. */
export const WORK_LIMITS = { probing: PROBING_FAILURES, pending: PENDING_MAX }

/** Takes a subscription to read the feed for it; another process that does so already is left alone. */
export const lockForFanOut = statement({
  name: 'subscriptions.lock_for_fan_out',
  params: { merchant: 'text', id: 'text', limit: 'int4' },
  row: { xact: 'text', event_id: 'text', events: 'text[]', pending: 'int4' },
  text: `
    select cursor_xact::text as xact, cursor_id as event_id, events,
           (select count(*)::int4 from (
              select from subscriptions.delivery
               where merchant_id = $merchant and subscription_id = $id and state = 'pending'
               limit $limit) waiting) as pending
      from subscriptions.subscription
     where merchant_id = $merchant and id = $id and paused_at is null and deleted_at is null
       for no key update skip locked`,
})

/** Writes what is to be delivered; the id is made of subscription and event, so it is written once. */
export const insertDeliveries = statement({
  name: 'subscriptions.insert_deliveries',
  params: {
    merchant: 'text',
    subscription: 'text',
    ids: 'text[]',
    events: 'text[]',
    types: 'text[]',
    bodies: 'bytea[]',
  },
  text: `
    insert into subscriptions.delivery (merchant_id, subscription_id, id, event_id, type, body)
    select $merchant, $subscription, d.id, d.event_id, d.type, d.body
      from (select unnest($ids) as id, unnest($events) as event_id, unnest($types) as type,
                   unnest($bodies) as body) as d
        on conflict do nothing`,
})

/** Moves a subscription on in the feed, in the transaction of what was read. */
export const moveCursor = statement({
  name: 'subscriptions.move_cursor',
  params: { merchant: 'text', id: 'text', xact: 'text', event: 'text' },
  text: `
    update subscriptions.subscription set cursor_xact = $xact::xid8, cursor_id = $event
     where merchant_id = $merchant and id = $id`,
})

/** Locks a subscription to claim for it: its concurrency holds over all processes. */
export const lockForClaim = statement({
  name: 'subscriptions.lock_for_claim',
  params: { merchant: 'text', id: 'text' },
  row: { id: 'text' },
  text: `
    select id from subscriptions.subscription
     where merchant_id = $merchant and id = $id and paused_at is null and deleted_at is null
       and not_before <= now()
       for no key update`,
})

/** Takes due deliveries under a lease; where the holder dies they are due again when it ends. */
export const claimDeliveries = statement({
  name: 'subscriptions.claim_deliveries',
  params: {
    merchant: 'text',
    subscription: 'text',
    concurrency: 'int4',
    token: 'text',
    lease: 'float8',
  },
  row: {
    id: 'text',
    type: 'text',
    body: 'bytea',
    attempt: 'int4',
    tries: 'int4',
    now: 'timestamptz',
  },
  text: `
    with busy as (
      select count(*)::int4 as n from subscriptions.delivery
       where merchant_id = $merchant and subscription_id = $subscription and state = 'pending'
         and lease_token is not null and next_attempt_at > now()
    ), due as (
      select merchant_id, subscription_id, id from subscriptions.delivery
       where merchant_id = $merchant and subscription_id = $subscription and state = 'pending'
         and next_attempt_at <= now()
       order by next_attempt_at, id
       limit greatest(0, $concurrency - (select n from busy))
         for update skip locked
    )
    update subscriptions.delivery d
       set attempt = d.attempt + 1, tries = d.tries + 1, lease_token = $token,
           next_attempt_at = now() + make_interval(secs => $lease)
      from due
     where d.merchant_id = due.merchant_id and d.subscription_id = due.subscription_id
       and d.id = due.id
    returning d.id, d.type, d.body, d.attempt, d.tries, now() as now`,
})

import { statement } from '#platform/index.ts'

/** What a handshake begins with, in database time. `first_unclaimed` is the first number that was never sent. */
export const selectHandshake = statement({
  name: 'fulfillment.select_handshake',
  params: { merchant: 'text', partner: 'text' },
  row: {
    now: 'timestamptz',
    fence_epoch: 'int4',
    is_clear: 'bool',
    next_sequence: 'int8',
    first_unclaimed: 'int8?',
  },
  text: `
    select now() as now, i.fence_epoch, coalesce(l.cleared_epoch, 1) = i.fence_epoch as is_clear,
           coalesce(l.next_sequence, 1)::int8 as next_sequence,
           (select min(d.sequence) from fulfillment.dispatch d
             where d.merchant_id = $merchant and d.partner_id = $partner and d.state = 'queued'
               and d.attempt = 0 and d.intent_at is null) as first_unclaimed
      from platform.instance i
      left join fulfillment.lane l on l.merchant_id = $merchant and l.partner_id = $partner`,
})

/**
 * Our books after the partner has answered. `unknown` are the keys that they do not have, or that they say were
 * never claimed; those that an earlier comparison has written down are known.
 */
export const selectBooks = statement({
  name: 'fulfillment.select_handshake_books',
  params: { merchant: 'text', partner: 'text', keys: 'text[]' },
  row: {
    next_sequence: 'int8',
    past_upto: 'int8',
    has_dispatches: 'bool',
    unknown: 'text[]',
  },
  text: `
    select coalesce(l.next_sequence, 1)::int8 as next_sequence,
           coalesce(l.past_upto, 0)::int8 as past_upto,
           exists (select from fulfillment.dispatch d
                    where d.merchant_id = $merchant and d.partner_id = $partner) as has_dispatches,
           array(select k.key
                   from (select unnest($keys) as key) as k
                  where not exists (
                          select from fulfillment.dispatch d
                           where d.merchant_id = $merchant and d.key = k.key
                             and (d.attempt > 0 or d.intent_at is not null or d.settled_at is not null))
                    and not exists (
                          select from fulfillment.skipped_sequence s
                           where s.merchant_id = $merchant and s.partner_id = $partner
                             and s.key = k.key)
                    and not exists (
                          select from fulfillment.unknown_fulfillment u
                           where u.merchant_id = $merchant and u.partner_id = $partner
                             and u.key = k.key)) as unknown
      from platform.instance i
      left join fulfillment.lane l on l.merchant_id = $merchant and l.partner_id = $partner`,
})

/** Writes how a handshake ended for this session. Rows of sessions that are a week old are removed. */
export const saveHandshake = statement({
  name: 'fulfillment.save_handshake',
  params: {
    merchant: 'text',
    partner: 'text',
    session: 'text',
    epoch: 'int4',
    asked: 'timestamptz',
    open: 'bool',
    reason: 'text?',
    detail: 'text?',
  },
  text: `
    with aged as (
      delete from fulfillment.lane_handshake
       where merchant_id = $merchant and asked_at < now() - interval '7 days'
         and (session, partner_id) <> ($session, $partner)
    )
    insert into fulfillment.lane_handshake as h
      (merchant_id, partner_id, session, fence_epoch, asked_at, opened_at, reason, detail)
    values ($merchant, $partner, $session, $epoch, $asked, case when $open then $asked end, $reason, $detail)
        on conflict (merchant_id, partner_id, session) do update
       set fence_epoch = excluded.fence_epoch, asked_at = excluded.asked_at,
           opened_at = excluded.opened_at, reason = excluded.reason, detail = excluded.detail`,
})

/** Shuts a lane for every process, with the reason. One that is shut for it already stays as it is. */
export const shutLane = statement({
  name: 'fulfillment.shut_lane',
  params: { merchant: 'text', partner: 'text', reason: 'text' },
  row: { partner_id: 'text' },
  text: `
    insert into fulfillment.lane as l (merchant_id, partner_id, shut_at, shut_reason)
    values ($merchant, $partner, clock_timestamp(), $reason)
        on conflict (merchant_id, partner_id) do update
       set shut_at = excluded.shut_at, shut_reason = excluded.shut_reason
     where l.shut_reason is distinct from excluded.shut_reason
    returning partner_id`,
})

/** Lifts what shut a lane for every process, where nothing has shut it since `asked`. */
export const unshutLane = statement({
  name: 'fulfillment.unshut_lane',
  params: { merchant: 'text', partner: 'text', asked: 'timestamptz' },
  text: `
    update fulfillment.lane
       set shut_at = null, shut_reason = null
     where merchant_id = $merchant and partner_id = $partner and shut_at < $asked`,
})

/** The next number of a partner's sequence. */
export const selectNextSequence = statement({
  name: 'fulfillment.select_next_sequence',
  params: { merchant: 'text', partner: 'text' },
  row: { next_sequence: 'int8' },
  text: `
    select coalesce((select next_sequence from fulfillment.lane
                      where merchant_id = $merchant and partner_id = $partner), 1)::int8 as next_sequence`,
})

/** Raises the fence from the epoch that was seen; null where another process has raised it. */
export const raiseFence = statement({
  name: 'fulfillment.raise_fence',
  params: {
    merchant: 'text',
    audit: 'text',
    actor: 'text',
    reason: 'text',
    evidence: 'text',
    epoch: 'int4',
  },
  row: { raised: 'int4?' },
  text: `
    select platform.raise_fence($merchant, $audit, $actor, $reason, $evidence::jsonb, $epoch) as raised`,
})

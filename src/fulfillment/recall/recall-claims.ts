import { statement } from '#platform/index.ts'
import { LANE_IS_CLEAR } from '../reconcile/lane-gate.ts'

/** What a partner's recalls have to do now, in one cheap look. */
export const selectRecallWork = statement({
  name: 'fulfillment.select_recall_work',
  params: { merchant: 'text', partner: 'text' },
  row: { is_wanted: 'bool', is_due: 'bool', is_expired: 'bool' },
  text: `
    select exists (select from fulfillment.recall_line
                    where merchant_id = $merchant and partner_id = $partner
                      and state in ('requested', 'in_progress') and next_ask_at <= now()) as is_wanted,
           exists (select from fulfillment.recall
                    where merchant_id = $merchant and partner_id = $partner
                      and state in ('queued', 'unknown') and next_attempt_at <= now()) as is_due,
           exists (select from fulfillment.recall
                    where merchant_id = $merchant and partner_id = $partner
                      and state = 'sending' and lease_until < now()) as is_expired`,
})

/**
 * The intent of a recall: takes due ones of a partner and marks them as being sent, in database time.
 * A paused lane is asked all the same: a recall can only stop goods. They share the bucket of the lane.
 */
export const claimRecalls = statement({
  name: 'fulfillment.claim_due_recalls',
  params: { merchant: 'text', partner: 'text', limit: 'int4', token: 'text', lease: 'int4' },
  row: {
    id: 'text',
    dispatch_id: 'text',
    key: 'text',
    recalls: 'text',
    attempt: 'int4',
    bytes: 'bytea',
    proof_key_id: 'text',
    proof: 'bytea',
    fence_epoch: 'int4',
    intent_at: 'timestamptz',
    fulfillments: 'text[]',
    order_keys: 'text[]',
    asked: 'int4',
  },
  text: `
    with bucket as (
      select merchant_id, partner_id,
             least(greatest(1, rate_per_s),
                   tokens + rate_per_s * extract(epoch from now() - tokens_at)) as tokens
        from fulfillment.lane
       where merchant_id = $merchant and partner_id = $partner and rate_per_s is not null
         for update
    ), due as (
      select q.merchant_id, q.id from fulfillment.recall q
       where q.merchant_id = $merchant and q.partner_id = $partner and q.state in ('queued', 'unknown')
         and q.next_attempt_at <= now() and ${LANE_IS_CLEAR}
       order by q.next_attempt_at, q.id
       limit greatest(0, least($limit, coalesce((select floor(tokens)::int from bucket), $limit)))
         for update skip locked
    ), claimed as (
      update fulfillment.recall q
         set state = 'sending', lease_token = $token,
             lease_until = now() + make_interval(secs => $lease), intent_at = now(),
             attempt = q.attempt + 1
        from due
       where q.merchant_id = due.merchant_id and q.id = due.id
      returning q.merchant_id, q.id, q.dispatch_id, q.key, q.attempt, q.intent_at
    ), spent as (
      update fulfillment.lane l
         set tokens = b.tokens - (select count(*) from claimed), tokens_at = now()
        from bucket b
       where l.merchant_id = b.merchant_id and l.partner_id = b.partner_id
    )
    select c.id, c.dispatch_id, c.key, d.key as recalls, c.attempt, b.bytes, b.proof_key_id, b.proof,
           i.fence_epoch, c.intent_at,
           array(select o.fulfillment_id from fulfillment.recall_order o
                  where o.merchant_id = c.merchant_id and o.recall_id = c.id
                  order by o.fulfillment_id) as fulfillments,
           array(select o.order_key from fulfillment.recall_order o
                  where o.merchant_id = c.merchant_id and o.recall_id = c.id
                  order by o.fulfillment_id) as order_keys,
           coalesce((select max(r.asked) from fulfillment.recall_line r
                      where r.merchant_id = c.merchant_id and r.dispatch_id = c.dispatch_id), 0) as asked
      from claimed c
      join fulfillment.recall_body b on b.merchant_id = c.merchant_id and b.recall_id = c.id
      join fulfillment.dispatch d on d.merchant_id = c.merchant_id and d.id = c.dispatch_id
     cross join platform.instance i`,
})

/** A lease that ran out belonged to a process that may have asked: the same bytes are sent again. */
export const expireRecallLeases = statement({
  name: 'fulfillment.expire_recall_leases',
  params: { merchant: 'text', partner: 'text' },
  row: { id: 'text', attempt: 'int4', intent_at: 'timestamptz' },
  text: `
    update fulfillment.recall
       set state = 'unknown', last_code = 'lease_expired', lease_token = null, lease_until = null,
           next_attempt_at = now()
     where merchant_id = $merchant and partner_id = $partner and state = 'sending'
       and lease_until < now()
    returning id, attempt, intent_at`,
})

/** Completes a recall, fenced: only who still holds the lease may say what became of it. */
export const completeRecall = statement({
  name: 'fulfillment.complete_recall',
  params: {
    merchant: 'text',
    id: 'text',
    token: 'text',
    state: 'text',
    delay_ms: 'float8',
    code: 'text',
  },
  row: { dispatch_id: 'text' },
  text: `
    update fulfillment.recall
       set state = $state, last_code = $code, lease_token = null, lease_until = null,
           next_attempt_at = now() + $delay_ms * interval '1 millisecond',
           answered_at = case when $state = 'answered' then now() end
     where merchant_id = $merchant and id = $id and lease_token = $token and state = 'sending'
    returning dispatch_id`,
})

/** Settles a recall that waits for a person, or whose outcome is in doubt, as the person says. */
export const settleRecallByHand = statement({
  name: 'fulfillment.settle_recall_by_hand',
  params: { merchant: 'text', id: 'text' },
  row: { dispatch_id: 'text' },
  text: `
    update fulfillment.recall
       set state = 'answered', last_code = 'operator', lease_token = null, lease_until = null,
           answered_at = now()
     where merchant_id = $merchant and id = $id
       and state in ('unknown', 'needs_operator', 'quarantined')
    returning dispatch_id`,
})

/** Keeps what each attempt of a recall saw. */
export const insertRecallAttempts = statement({
  name: 'fulfillment.insert_recall_attempts',
  params: {
    merchant: 'text',
    recalls: 'text[]',
    attempts: 'int4[]',
    started: 'timestamptz[]',
    classes: 'text[]',
    statuses: 'int4[]',
    codes: 'text[]',
    responses: 'bytea[]',
  },
  text: `
    insert into fulfillment.recall_attempt
      (merchant_id, recall_id, attempt, started_at, class, status, code, response)
    select $merchant, a.recall_id, a.attempt, a.started_at, a.class, nullif(a.status, 0), a.code,
           nullif(a.response, ''::bytea)
      from (select unnest($recalls) as recall_id, unnest($attempts) as attempt,
                   unnest($started) as started_at, unnest($classes) as class, unnest($statuses) as status,
                   unnest($codes) as code, unnest($responses) as response) as a
    on conflict do nothing`,
})

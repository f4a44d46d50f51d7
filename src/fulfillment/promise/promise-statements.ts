import { jsonOf, statement } from '#platform/index.ts'
import { goodsMinor } from '../goods-value.ts'
import { IS_STOPPED_BY_PROMISE, NEAR_PROMISE } from './near-promise.ts'

/** Stops what waits to be sent again although its promise is near, at most 100 dispatches. */
export const stopNear = statement({
  name: 'fulfillment.stop_near_dispatches',
  params: { merchant: 'text', partner: 'text' },
  row: { id: 'text', attempt: 'int4', was_code: 'text?', ship_by: 'timestamptz' },
  text: `
    with near as materialized (
      select d.merchant_id, d.id, d.last_code from fulfillment.dispatch d
       where d.merchant_id = $merchant and d.partner_id = $partner and d.state = 'queued'
         and ${IS_STOPPED_BY_PROMISE}
       order by d.id
       limit 100
         for update skip locked
    )
    update fulfillment.dispatch d
       set state = 'needs_operator', last_code = 'ship_by_near', next_attempt_at = now()
      from near
     where d.merchant_id = near.merchant_id and d.id = near.id
    returning d.id, d.attempt, near.last_code as was_code, d.ship_by`,
})

const FACTS = {
  id: 'text',
  order_id: 'text',
  partner_id: 'text',
  state: 'text',
  ship_by: 'timestamptz',
  left_s: 'float8',
  dispatch_id: 'text?',
  dispatch_state: 'text?',
  attempt: 'int4?',
  last_code: 'text?',
  paused_reason: 'text?',
  holds: jsonOf<readonly string[]>('built by the statement itself from a column of text[]'),
  amount: 'int8?',
  currency: 'text?',
} as const

// What stands in a case: where the order is, what holds it up, and what its goods are worth.
const FACTS_OF_RAISED = `
    select r.id, r.order_id, r.partner_id, r.state, r.ship_by,
           extract(epoch from r.ship_by - now())::float8 as left_s,
           d.id as dispatch_id, d.state as dispatch_state, d.attempt, d.last_code, p.paused_reason,
           coalesce((select jsonb_agg(distinct reason)
                       from fulfillment.hold h, unnest(h.reasons) as reason
                      where h.merchant_id = r.merchant_id and h.fulfillment_id = r.id
                        and h.released_at is null), '[]') as holds,
           ${goodsMinor('r.lines', 'o.lines')} as amount,
           o.currency
      from raised r
      left join fulfillment.dispatch d on d.merchant_id = r.merchant_id and d.id = r.dispatch_id
      left join partners.partner p on p.merchant_id = r.merchant_id and p.id = r.partner_id
      left join fulfillment.received_order o
        on o.merchant_id = r.merchant_id and o.order_id = r.order_id and o.revision = r.revision
     order by r.ship_by, r.id`

/**
 * Raises the alarm of fulfillment orders that no partner has accepted and whose promise is near, each
 * once. One that has just come is on its way, and is left ten seconds.
 */
export const raiseAtRisk = statement({
  name: 'fulfillment.raise_at_risk',
  params: { merchant: 'text', limit: 'int4' },
  row: FACTS,
  text: `
    with due as materialized (
      select merchant_id, id from fulfillment.fulfillment_order
       where merchant_id = $merchant and ship_by_alarm is null and state in ('held', 'open', 'sealed')
         and ship_by <= ${NEAR_PROMISE} and created_at <= now() - interval '10 seconds'
       order by ship_by
       limit $limit
         for update skip locked
    ), raised as (
      update fulfillment.fulfillment_order f
         set ship_by_alarm = 'at_risk', ship_by_alarm_at = now()
        from due
       where f.merchant_id = due.merchant_id and f.id = due.id
      returning f.*
    )${FACTS_OF_RAISED}`,
})

/**
 * Takes accepted fulfillment orders whose promise has passed, for one look-up of their dispatch; nobody
 * else takes them for five minutes, in which whoever took them may die.
 */
export const claimPassed = statement({
  name: 'fulfillment.claim_passed_promises',
  params: { merchant: 'text', limit: 'int4' },
  row: {
    id: 'text',
    partner_id: 'text',
    dispatch_id: 'text',
    key: 'text',
    content_sha256: 'bytea',
    fulfillments: 'text[]',
    now: 'timestamptz',
  },
  text: `
    with due as materialized (
      select merchant_id, id from fulfillment.fulfillment_order
       where merchant_id = $merchant and ship_by_alarm is null and state = 'accepted'
         and ship_by <= now()
         and (ship_by_asked_at is null or ship_by_asked_at < now() - interval '5 minutes')
       order by ship_by
       limit $limit
         for update skip locked
    ), taken as (
      update fulfillment.fulfillment_order f
         set ship_by_asked_at = now()
        from due
       where f.merchant_id = due.merchant_id and f.id = due.id
      returning f.merchant_id, f.id, f.dispatch_id
    )
    select t.id, d.partner_id, d.id as dispatch_id, d.key, d.content_sha256, now() as now,
           array(select l.fulfillment_id from fulfillment.line_claim l
                  where l.merchant_id = d.merchant_id and l.dispatch_id = d.id
                  order by l.fulfillment_id) as fulfillments
      from taken t
      join fulfillment.dispatch d on d.merchant_id = t.merchant_id and d.id = t.dispatch_id`,
})

/** Raises the alarm of those that have still not shipped, each once. */
export const raiseMissed = statement({
  name: 'fulfillment.raise_missed',
  params: { merchant: 'text', ids: 'text[]' },
  row: FACTS,
  text: `
    with raised as (
      update fulfillment.fulfillment_order
         set ship_by_alarm = 'missed', ship_by_alarm_at = now()
       where merchant_id = $merchant and id = any($ids) and ship_by_alarm is null
         and state = 'accepted' and ship_by <= now()
      returning *
    )${FACTS_OF_RAISED}`,
})

/** Takes back the alarms of what came to rest, or reached a partner in time. */
export const settleAlarms = statement({
  name: 'fulfillment.settle_promise_alarms',
  params: { merchant: 'text', limit: 'int4' },
  row: { id: 'text', order_id: 'text', state: 'text', alarm: 'text', ship_by: 'timestamptz' },
  text: `
    with over as materialized (
      select merchant_id, id, ship_by_alarm as alarm from fulfillment.fulfillment_order
       where merchant_id = $merchant
         and (ship_by_alarm = 'at_risk' and state = 'accepted'
           or ship_by_alarm in ('at_risk', 'missed')
              and state in ('shipped', 'delivered', 'rejected', 'recalled', 'withdrawn'))
       order by id
       limit $limit
         for update skip locked
    )
    update fulfillment.fulfillment_order f
       set ship_by_alarm = null, ship_by_alarm_at = null
      from over
     where f.merchant_id = over.merchant_id and f.id = over.id
    returning f.id, f.order_id, f.state, over.alarm, f.ship_by`,
})

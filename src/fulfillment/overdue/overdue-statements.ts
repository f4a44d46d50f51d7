import { statement } from '#platform/index.ts'
import { goodsMinor } from '../goods-value.ts'

/** States in which only a person's answer helps, as SQL. */
export const WAITS_FOR_A_PERSON = `state in ('needs_operator', 'quarantined')`

/** HDP/1 §1.6: nothing of it was tried for more than fifteen minutes, as SQL. */
export const IS_OVERDUE = `coalesce(intent_at, sealed_at) < now() - interval '15 minutes'`

const ROW = {
  id: 'text',
  dispatch_id: 'text',
  partner_id: 'text',
  batch_id: 'text',
  state: 'text',
  attempt: 'int4',
  last_code: 'text?',
  since: 'timestamptz',
  orders: 'int4',
  amount: 'int8?',
  currency: 'text?',
} as const

type Waits = 'dispatch' | 'recall'

// The lines that it is about: what is live in a dispatch, what a recall asks for.
const LINES = {
  dispatch: `fulfillment.line_claim c
         where c.merchant_id = r.merchant_id and c.dispatch_id = r.id and c.state = 'live'`,
  recall: `fulfillment.recall_order c
         where c.merchant_id = r.merchant_id and c.recall_id = r.id`,
} as const

// The money is told where all of it is known and in one currency.
const raise = (waits: Waits): string => `
    with due as materialized (
      select merchant_id, id from fulfillment.${waits}
       where merchant_id = $merchant and ${WAITS_FOR_A_PERSON} and ${IS_OVERDUE}
         and overdue_alarm_at is null
       order by id
       limit $limit
         for update skip locked
    ), raised as (
      update fulfillment.${waits} t
         set overdue_alarm_at = now()
        from due
       where t.merchant_id = due.merchant_id and t.id = due.id
      returning t.*
    )
    select r.id, ${waits === 'dispatch' ? 'r.id' : 'r.dispatch_id'} as dispatch_id, r.partner_id, r.batch_id,
           r.state, r.attempt, r.last_code, coalesce(r.intent_at, r.sealed_at) as since, goods.orders,
           case when goods.is_whole then goods.amount end as amount,
           case when goods.is_whole then goods.currency end as currency
      from raised r
     cross join lateral (
       select count(*)::int4 as orders, sum(worth)::int8 as amount, min(currency) as currency,
              count(*) = count(worth) and count(distinct currency) = 1 as is_whole
         from (select ${goodsMinor('f.lines', 'o.lines')} as worth, o.currency
                 from (select c.merchant_id, c.fulfillment_id from ${LINES[waits]}) c
                 join fulfillment.fulfillment_order f
                   on f.merchant_id = c.merchant_id and f.id = c.fulfillment_id
                 left join fulfillment.received_order o
                   on o.merchant_id = f.merchant_id and o.order_id = f.order_id
                  and o.revision = f.revision) one
     ) as goods
     order by r.id`

// One that was tried again since the alarm was answered, whether or not it has come to wait anew.
const settle = (waits: Waits): string => `
    with over as materialized (
      select merchant_id, id from fulfillment.${waits}
       where merchant_id = $merchant and overdue_alarm_at is not null
         and (not (${WAITS_FOR_A_PERSON}) or coalesce(intent_at, sealed_at) > overdue_alarm_at)
       order by id
       limit $limit
         for update skip locked
    )
    update fulfillment.${waits} t
       set overdue_alarm_at = null
      from over
     where t.merchant_id = over.merchant_id and t.id = over.id
    returning t.id, t.state`

const PARAMS = { merchant: 'text', limit: 'int4' } as const
const OVER = { id: 'text', state: 'text' } as const

/** Raises the alarm of what has waited for a person for too long, each once; whoever comes first takes it. */
export const raiseOverdue = {
  dispatch: statement({
    name: 'fulfillment.raise_overdue_dispatches',
    params: PARAMS,
    row: ROW,
    text: raise('dispatch'),
  }),
  recall: statement({
    name: 'fulfillment.raise_overdue_recalls',
    params: PARAMS,
    row: ROW,
    text: raise('recall'),
  }),
} as const

/** Takes back the alarms of what a person, or the partner's own word, has answered. */
export const settleOverdue = {
  dispatch: statement({
    name: 'fulfillment.settle_overdue_dispatches',
    params: PARAMS,
    row: OVER,
    text: settle('dispatch'),
  }),
  recall: statement({
    name: 'fulfillment.settle_overdue_recalls',
    params: PARAMS,
    row: OVER,
    text: settle('recall'),
  }),
} as const

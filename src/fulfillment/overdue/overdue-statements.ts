import { statement } from '#platform/index.ts'
import { goodsMinor } from '../goods-value.ts'

/** States in which only a person's answer helps, as SQL. */
export const WAITS_FOR_A_PERSON = `state in ('needs_operator', 'quarantined')`

/** HDP/1 §1.6: waited for a person for more than fifteen minutes, by the time of its last intent, as SQL. */
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

// The money is told where all of it is in one currency.
const raise = (table: 'dispatch' | 'recall', dispatchId: string): string => `
    with due as materialized (
      select merchant_id, id from fulfillment.${table}
       where merchant_id = $merchant and ${WAITS_FOR_A_PERSON} and ${IS_OVERDUE}
         and overdue_alarm_at is null
       order by id
       limit $limit
         for update skip locked
    ), raised as (
      update fulfillment.${table} t
         set overdue_alarm_at = now()
        from due
       where t.merchant_id = due.merchant_id and t.id = due.id
      returning t.*
    )
    select r.id, ${dispatchId} as dispatch_id, r.partner_id, r.batch_id, r.state, r.attempt, r.last_code,
           coalesce(r.intent_at, r.sealed_at) as since, goods.orders,
           case when goods.currencies = 1 then goods.amount end as amount,
           case when goods.currencies = 1 then goods.currency end as currency
      from raised r
     cross join lateral (
       select count(*)::int4 as orders, count(distinct o.currency) as currencies, min(o.currency) as currency,
              sum(${goodsMinor('f.lines', 'o.lines')})::int8 as amount
         from fulfillment.line_claim c
         join fulfillment.fulfillment_order f on f.merchant_id = c.merchant_id and f.id = c.fulfillment_id
         left join orders."order" o on o.merchant_id = f.merchant_id and o.id = f.order_id
        where c.merchant_id = r.merchant_id and c.dispatch_id = ${dispatchId}
     ) as goods
     order by r.id`

const settle = (table: 'dispatch' | 'recall'): string => `
    with over as materialized (
      select merchant_id, id from fulfillment.${table}
       where merchant_id = $merchant and overdue_alarm_at is not null and not (${WAITS_FOR_A_PERSON})
       order by id
       limit $limit
         for update skip locked
    )
    update fulfillment.${table} t
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
    text: raise('dispatch', 'r.id'),
  }),
  recall: statement({
    name: 'fulfillment.raise_overdue_recalls',
    params: PARAMS,
    row: ROW,
    text: raise('recall', 'r.dispatch_id'),
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

import { read, statement } from '#platform/index.ts'
import type { Database } from '#platform/index.ts'
import { IS_OVERDUE, WAITS_FOR_A_PERSON } from './overdue/overdue-statements.ts'

const selectOldest = statement({
  name: 'fulfillment.select_oldest_items',
  params: { merchant: 'text' },
  row: { stage: 'text', count: 'int8', age_s: 'float8' },
  text: `
    select stage, count(*) as count, extract(epoch from now() - min(since))::float8 as age_s
      from (
        select state as stage, updated_at as since from fulfillment.fulfillment_order
         where merchant_id = $merchant and state in ('held', 'open', 'sealed', 'accepted', 'rejected')
           and (state <> 'open' or effective_at <= now())
        union all
        select state, coalesce(intent_at, sealed_at) from fulfillment.dispatch
         where merchant_id = $merchant and state in ('unknown', 'needs_operator', 'quarantined')
        union all
        select 'recalling', requested_at from fulfillment.recall_line
         where merchant_id = $merchant and state in ('requested', 'in_progress')
        union all
        select 'recall_needs_operator', sealed_at from fulfillment.recall
         where merchant_id = $merchant and state in ('needs_operator', 'quarantined')
        union all
        select 'recall_needs_operator', answered_at from fulfillment.recall_line
         where merchant_id = $merchant and state = 'unknown_order'
        union all
        select 'ship_by_' || ship_by_alarm, ship_by_alarm_at from fulfillment.fulfillment_order
         where merchant_id = $merchant and ship_by_alarm is not null
        union all
        select 'inbox', received_at from fulfillment.inbox
         where merchant_id = $merchant and applied_at is null
      ) as items
     group by stage
     order by stage`,
})

/** The work that waits in one stage: how much of it, and the age of the oldest in seconds. */
export type OldestItem = { readonly stage: string; readonly count: number; readonly ageS: number }

/**
 * What waits where: `held`, `open`, `sealed`, `accepted` and `rejected` count fulfillment orders,
 * `unknown`, `needs_operator` and `quarantined` count dispatches, `recalling` orders that are asked back,
 * `recall_needs_operator` what of it waits for a person,
 * `ship_by_at_risk` and `ship_by_missed` fulfillment orders whose alarm is raised, `inbox` partner events.
 */
export async function oldestItems(
  database: Database,
  merchant: string,
): Promise<readonly OldestItem[]> {
  const rows = await read(database, selectOldest, { merchant })
  return rows.map((row) => ({ stage: row.stage, count: row.count, ageS: row.age_s }))
}

const countOverdue = statement({
  name: 'fulfillment.count_overdue_dispatches',
  params: { merchant: 'text' },
  row: { state: 'text', count: 'int8' },
  text: `
    select state, count(*) as count from fulfillment.dispatch
     where merchant_id = $merchant and ${WAITS_FOR_A_PERSON} and ${IS_OVERDUE}
     group by state`,
})

/** Dispatches that have waited for a person for more than fifteen minutes, by state. */
export async function overdueDispatches(
  database: Database,
  merchant: string,
): Promise<Readonly<Record<string, number>>> {
  const rows = await read(database, countOverdue, { merchant })
  return Object.fromEntries(rows.map((row) => [row.state, row.count]))
}

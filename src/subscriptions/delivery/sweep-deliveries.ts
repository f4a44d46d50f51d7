import { read, statement } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'

/** A delivery that arrived is kept so long, with its attempts. */
const DELIVERED_DAYS = 30
/** One that was given up can be replayed for so long. */
const FAILED_DAYS = 90
const SWEEP_ROWS = 1_000
const SWEEPS_MAX = 20

const sweep = statement({
  name: 'subscriptions.sweep_deliveries',
  params: { merchant: 'text', delivered: 'int4', failed: 'int4', limit: 'int4' },
  row: { swept: 'int4' },
  text: `
    with old as (
      select merchant_id, subscription_id, id from subscriptions.delivery
       where merchant_id = $merchant and settled_at < now() - make_interval(days => $delivered)
         and (state = 'delivered' or settled_at < now() - make_interval(days => $failed))
       order by settled_at
       limit $limit
    ), gone as (
      delete from subscriptions.delivery d using old
       where d.merchant_id = old.merchant_id and d.subscription_id = old.subscription_id
         and d.id = old.id
      returning d.id
    )
    select count(*)::int4 as swept from gone`,
})

const sweepDeleted = statement({
  name: 'subscriptions.sweep_deleted',
  params: { merchant: 'text', limit: 'int4' },
  row: { swept: 'int4' },
  text: `
    with old as (
      select d.merchant_id, d.subscription_id, d.id
        from subscriptions.subscription s
        join subscriptions.delivery d on d.merchant_id = s.merchant_id and d.subscription_id = s.id
       where s.merchant_id = $merchant and s.deleted_at is not null
       limit $limit
    ), gone as (
      delete from subscriptions.delivery d using old
       where d.merchant_id = old.merchant_id and d.subscription_id = old.subscription_id
         and d.id = old.id
      returning d.id
    )
    select count(*)::int4 as swept from gone`,
})

/**
 * Deletes what is too old from the log of deliveries, attempts and all, at most 20,000 a time, and all
 * of what belonged to a deleted subscription. What waits is never deleted. Answers how many went.
 */
export async function sweepDeliveries({
  database,
  merchant,
}: Pick<Context, 'database' | 'merchant'>): Promise<number> {
  const limit = SWEEP_ROWS
  let total = 0
  for (let round = 0; round < SWEEPS_MAX; round += 1) {
    const [old] = await read(database, sweep, {
      merchant,
      delivered: DELIVERED_DAYS,
      failed: FAILED_DAYS,
      limit,
    })
    const [deleted] = await read(database, sweepDeleted, { merchant, limit })
    const swept = (old?.swept ?? 0) + (deleted?.swept ?? 0)
    total += swept
    if (swept === 0) break
  }
  return total
}

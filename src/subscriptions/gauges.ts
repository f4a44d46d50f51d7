import { read, statement } from '#platform/index.ts'
import type { Database } from '#platform/index.ts'

const selectGauges = statement({
  name: 'subscriptions.select_gauges',
  params: { merchant: 'text' },
  row: { paused: 'int4', oldest_s: 'float8?' },
  text: `
    select (select count(*)::int4 from subscriptions.subscription
             where merchant_id = $merchant and paused_at is not null and deleted_at is null)
             as paused,
           (select extract(epoch from now() - min(oldest.created_at))::float8
              from subscriptions.subscription s
              cross join lateral (
                select created_at from subscriptions.delivery d
                 where d.merchant_id = s.merchant_id and d.subscription_id = s.id
                   and d.state = 'pending'
                 order by d.next_attempt_at
                 limit 1000) oldest
             where s.merchant_id = $merchant and s.paused_at is null and s.deleted_at is null)
             as oldest_s`,
})

/**
 * How many subscriptions are paused, and the age in seconds of the oldest delivery that waits on one
 * that is not; undefined where none waits.
 */
export async function subscriptionGauges(
  database: Database,
  merchant: string,
): Promise<{ readonly paused: number; readonly oldestPendingS: number | undefined }> {
  const [row] = await read(database, selectGauges, { merchant })
  return { paused: row?.paused ?? 0, oldestPendingS: row?.oldest_s ?? undefined }
}

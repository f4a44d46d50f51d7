import { statement } from '#platform/index.ts'

const INVARIANTS = [
  {
    name: 'the event log is numbered by this database',
    sql: `select id as subject, 'numbered ' || xact::text as detail
            from platform.event
           where merchant_id = $merchant and xact >= pg_snapshot_xmax(pg_current_snapshot())
           order by xact
           limit 20`,
  },
  {
    name: 'no subscription is further in the feed than the feed is',
    sql: `select id as subject, cursor_xact::text as detail
            from subscriptions.subscription
           where merchant_id = $merchant and cursor_xact > pg_snapshot_xmax(pg_current_snapshot())`,
  },
  {
    name: 'every attempt of a delivery is in the log, or still under way',
    sql: `select d.subscription_id || ' ' || d.id as subject,
                 d.attempt || ' attempts' as detail
            from subscriptions.delivery d
           where d.merchant_id = $merchant and d.state = 'delivered'
             and not exists (select from subscriptions.attempt a
                              where a.merchant_id = d.merchant_id
                                and a.subscription_id = d.subscription_id
                                and a.delivery_id = d.id and a.outcome = 'delivered')
           limit 20`,
  },
] as const

const row = { subject: 'text', detail: 'text' } as const

/** What `holdfast verify` asks of this domain: each finds the rows that break its claim. */
export const subscriptionChecks = INVARIANTS.map(({ name, sql }, index) => ({
  claim: name,
  find: statement({
    name: `subscriptions.check_${index}`,
    params: { merchant: 'text' },
    row,
    text: sql,
  }),
}))

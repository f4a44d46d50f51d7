import { read, statement } from '#platform/index.ts'
import type { Database, RowOf } from '#platform/index.ts'

const row = {
  id: 'text',
  event_id: 'text',
  type: 'text',
  state: 'text',
  attempt: 'int4',
  last_code: 'text?',
  last_status: 'int4?',
  created_at: 'timestamptz',
  next_attempt_at: 'timestamptz',
  settled_at: 'timestamptz?',
} as const

const selectDeliveries = statement({
  name: 'subscriptions.select_deliveries',
  params: {
    merchant: 'text',
    subscription: 'text',
    state: 'text?',
    before: 'text?',
    limit: 'int4',
  },
  row,
  text: `
    select id, event_id, type, state, attempt, last_code, last_status, created_at, next_attempt_at,
           settled_at
      from subscriptions.delivery
     where merchant_id = $merchant and subscription_id = $subscription
       and ($state is null or state = $state) and ($before is null or id < $before)
     order by id desc
     limit $limit`,
})

const selectDelivery = statement({
  name: 'subscriptions.select_delivery',
  params: { merchant: 'text', subscription: 'text', id: 'text' },
  row: { ...row, body: 'bytea' },
  text: `
    select id, event_id, type, state, attempt, last_code, last_status, created_at, next_attempt_at,
           settled_at, body
      from subscriptions.delivery
     where merchant_id = $merchant and subscription_id = $subscription and id = $id`,
})

const selectAttempts = statement({
  name: 'subscriptions.select_attempts',
  params: { merchant: 'text', subscription: 'text', delivery: 'text' },
  row: {
    attempt: 'int4',
    started_at: 'timestamptz',
    duration_ms: 'int4',
    outcome: 'text',
    status: 'int4?',
    code: 'text',
    response: 'bytea',
  },
  text: `
    select attempt, started_at, duration_ms, outcome, status, code, response
      from subscriptions.attempt
     where merchant_id = $merchant and subscription_id = $subscription and delivery_id = $delivery
     order by attempt desc
     limit 100`,
})

/** A delivery as the log keeps it. */
export type DeliveryRow = RowOf<typeof row>
/** One attempt of a delivery, with as much of the answer as is kept. */
export type AttemptRow = RowOf<typeof selectAttempts.row>

/** The deliveries of a subscription, newest event first. */
export async function listDeliveries(
  database: Database,
  merchant: string,
  query: {
    readonly subscription: string
    readonly state?: string | undefined
    readonly before?: string | undefined
    readonly limit: number
  },
): Promise<readonly DeliveryRow[]> {
  return read(database, selectDeliveries, {
    merchant,
    subscription: query.subscription,
    state: query.state ?? null,
    before: query.before ?? null,
    limit: query.limit,
  })
}

/** One delivery with its body and its last 100 attempts, newest first; undefined where there is none. */
export async function findDelivery(
  database: Database,
  merchant: string,
  at: { readonly subscription: string; readonly delivery: string },
): Promise<
  (DeliveryRow & { readonly body: Buffer; readonly attempts: readonly AttemptRow[] }) | undefined
> {
  const { subscription, delivery } = at
  const [one] = await read(database, selectDelivery, { merchant, subscription, id: delivery })
  if (!one) return undefined
  const attempts = await read(database, selectAttempts, { merchant, subscription, delivery })
  return { ...one, attempts }
}

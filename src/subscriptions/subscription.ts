import { read, statement } from '#platform/index.ts'
import type { Database } from '#platform/index.ts'
import { EVENT_NAMES } from './event-catalog.ts'
import type { EventName } from './event-catalog.ts'

/** Why a subscription stands still: a person, days of failures, or an endpoint that answered 410. */
export type PauseReason = 'operator' | 'failing' | 'gone'

/** A merchant's webhook endpoint and what it wants to be told of. */
export type Subscription = {
  readonly id: string
  readonly url: string
  readonly description: string
  /** Public names; none means every event. */
  readonly events: readonly string[]
  readonly allowPrivate: boolean
  readonly concurrencyMax: number
  readonly pausedAt: Date | null
  readonly pausedReason: string | null
  /** Failed attempts in a row, and since when. */
  readonly failures: number
  readonly failingSince: Date | null
  readonly createdBy: string
  readonly createdAt: Date
}

const row = {
  id: 'text',
  url: 'text',
  description: 'text',
  events: 'text[]',
  allow_private: 'bool',
  concurrency_max: 'int4',
  paused_at: 'timestamptz?',
  paused_reason: 'text?',
  failures: 'int4',
  failing_since: 'timestamptz?',
  created_by: 'text',
  created_at: 'timestamptz',
} as const

const selectSubscriptions = statement({
  name: 'subscriptions.select_subscriptions',
  params: { merchant: 'text' },
  row,
  text: `
    select id, url, description, events, allow_private, concurrency_max, paused_at, paused_reason,
           failures, failing_since, created_by, created_at
      from subscriptions.subscription
     where merchant_id = $merchant and deleted_at is null
     order by id
     limit 1000`,
})

const selectSubscription = statement({
  name: 'subscriptions.select_subscription',
  params: { merchant: 'text', id: 'text' },
  row,
  text: `
    select id, url, description, events, allow_private, concurrency_max, paused_at, paused_reason,
           failures, failing_since, created_by, created_at
      from subscriptions.subscription
     where merchant_id = $merchant and id = $id and deleted_at is null`,
})

/** Every subscription that was not deleted, oldest first; there are at most 100. */
export async function listSubscriptions(
  database: Database,
  merchant: string,
): Promise<readonly Subscription[]> {
  return (await read(database, selectSubscriptions, { merchant })).map(subscriptionOf)
}

/** One subscription, or undefined where it is unknown or deleted. */
export async function findSubscription(
  database: Database,
  merchant: string,
  id: string,
): Promise<Subscription | undefined> {
  return (await read(database, selectSubscription, { merchant, id })).map(subscriptionOf)[0]
}

type Row = Awaited<ReturnType<typeof read<typeof selectSubscription.params, typeof row>>>[number]

function subscriptionOf(one: Row): Subscription {
  return {
    id: one.id,
    url: one.url,
    description: one.description,
    events: one.events,
    allowPrivate: one.allow_private,
    concurrencyMax: one.concurrency_max,
    pausedAt: one.paused_at,
    pausedReason: one.paused_reason,
    failures: one.failures,
    failingSince: one.failing_since,
    createdBy: one.created_by,
    createdAt: one.created_at,
  }
}

/** The public events that a stored filter wants; a name that this build does not know gives nothing. */
export function wantedNames(events: readonly string[]): ReadonlySet<EventName> {
  const given = new Set(events)
  return new Set(EVENT_NAMES.filter((name) => given.size === 0 || given.has(name)))
}

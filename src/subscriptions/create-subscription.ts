import {
  accept,
  bytesEqual,
  canonicalJson,
  invariant,
  newId,
  refuse,
  sha256,
} from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { appendAudit, change, maybe, statement, transact } from '#platform/index.ts'
import type { Context, FeedPosition, Transaction } from '#platform/index.ts'
import { checkEndpointUrl } from './endpoint-url.ts'
import { openFeed } from './list-events.ts'
import { firstSecret, makeSecret } from './subscription-secrets.ts'

/** A subscription to make. */
export type NewSubscription = {
  readonly url: string
  readonly description?: string
  /** Public event names; every event where there are none. */
  readonly events?: readonly string[]
  /** Lifts the address guard; from the command line alone. */
  readonly allowPrivate?: boolean
  /** Requests under way at once, 1 to 16; 8 where absent. */
  readonly concurrencyMax?: number
  /** Where to begin: a cursor of the feed, `start`, or `latest` (which is so where it is absent). */
  readonly from?: string
}

/** What was made; the secret is told here alone. */
export type CreatedSubscription = {
  readonly id: string
  /** Absent where an answer is replayed after the secret was rotated. */
  readonly secret?: string
  readonly isReplay: boolean
}

const SUBSCRIPTIONS_MAX = 100

const insertSubscription = statement({
  name: 'subscriptions.insert_subscription',
  params: {
    merchant: 'text',
    id: 'text',
    url: 'text',
    description: 'text',
    events: 'text[]',
    private: 'bool',
    concurrency: 'int4',
    xact: 'text',
    event: 'text',
    actor: 'text',
    limit: 'int4',
  },
  text: `
    insert into subscriptions.subscription
      (merchant_id, id, url, description, events, allow_private, concurrency_max, cursor_xact,
       cursor_id, created_by)
    select $merchant, $id, $url, $description, $events, $private, $concurrency, $xact::xid8, $event,
           $actor
     where (select count(*) from subscriptions.subscription
             where merchant_id = $merchant and deleted_at is null) < $limit`,
})

const insertKey = statement({
  name: 'subscriptions.insert_creation_key',
  params: {
    merchant: 'text',
    actor: 'text',
    key: 'text',
    request: 'bytea',
    subscription: 'text',
  },
  text: `
    insert into subscriptions.creation_key
      (merchant_id, actor, key, request_sha256, subscription_id)
    values ($merchant, $actor, $key, $request, $subscription)
        on conflict do nothing`,
})

const selectKey = statement({
  name: 'subscriptions.select_creation_key',
  params: { merchant: 'text', actor: 'text', key: 'text' },
  row: { request_sha256: 'bytea', subscription_id: 'text' },
  text: `
    select request_sha256, subscription_id from subscriptions.creation_key
     where merchant_id = $merchant and actor = $actor and key = $key`,
})

/**
 * Makes a subscription with a secret of its own. With an `idempotencyKey` the same request answers the
 * same subscription again. Refused: `body_invalid` (address), `subscriptions_full`,
 * `idempotency_key_reused`, and what reading the feed refuses.
 */
export async function createSubscription(
  context: Context,
  masterKey: Uint8Array,
  input: NewSubscription & { readonly actor: string; readonly idempotencyKey?: string },
): Promise<Outcome<CreatedSubscription>> {
  const url = checkEndpointUrl(input.url, input.allowPrivate ?? false)
  if (!url.ok) return url
  const from = await openFeed(
    context,
    input.from === 'start' ? undefined : (input.from ?? 'latest'),
  )
  if (!from.ok) return from
  const { merchant, database } = context
  const { actor, idempotencyKey } = input
  const wanted = {
    url: url.value,
    description: input.description ?? '',
    events: [...new Set(input.events)].toSorted(),
    private: input.allowPrivate ?? false,
    concurrency: input.concurrencyMax ?? 8,
  }
  const request = sha256(canonicalJson({ ...wanted, from: input.from ?? 'latest' }))
  return transact(database, async (tx) => {
    const id = newId('whs')
    if (idempotencyKey !== undefined) {
      const key = { merchant, actor, key: idempotencyKey }
      const isFirst = (await change(tx, insertKey, { ...key, request, subscription: id })) === 1
      if (!isFirst) return replay(tx, masterKey, { ...key, request })
    }
    const made = await insert(tx, { merchant, id, actor, wanted, position: from.value.position })
    if (!made.ok) return made
    const secret = await makeSecret(tx, masterKey, { merchant, subscription: id })
    return accept({ id, secret, isReplay: false })
  })
}

async function insert(
  tx: Transaction,
  one: {
    readonly merchant: string
    readonly id: string
    readonly actor: string
    readonly wanted: {
      url: string
      description: string
      events: readonly string[]
      private: boolean
      concurrency: number
    }
    readonly position: FeedPosition
  },
): Promise<Outcome<null>> {
  const { merchant, id, actor, wanted, position } = one
  const inserted = await change(tx, insertSubscription, {
    ...wanted,
    merchant,
    id,
    actor,
    xact: position.xact,
    event: position.id,
    limit: SUBSCRIPTIONS_MAX,
  })
  if (inserted === 0) {
    return refuse('subscriptions_full', `There may be ${SUBSCRIPTIONS_MAX} subscriptions.`)
  }
  await appendAudit(tx, merchant, {
    actor,
    action: 'webhook.created',
    subjectId: id,
    after: { url: wanted.url, events: wanted.events, allow_private: wanted.private },
  })
  return accept(null)
}

async function replay(
  tx: Transaction,
  masterKey: Uint8Array,
  one: {
    readonly merchant: string
    readonly actor: string
    readonly key: string
    readonly request: Buffer
  },
): Promise<Outcome<CreatedSubscription>> {
  const { merchant, actor, key } = one
  const known = await maybe(tx, selectKey, { merchant, actor, key })
  invariant(known, 'a key that cannot be written is there')
  if (!bytesEqual(known.request_sha256, one.request)) {
    return refuse('idempotency_key_reused', 'The key was used with another subscription.')
  }
  const subscription = known.subscription_id
  const secret = await firstSecret(tx, masterKey, { merchant, subscription })
  return accept({ id: subscription, isReplay: true, ...(secret === undefined ? {} : { secret }) })
}

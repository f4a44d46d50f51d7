import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { appendAudit, appendEvents, change, maybe, statement, transact } from '#platform/index.ts'
import type { Context, Transaction } from '#platform/index.ts'
import type { PauseReason } from './subscription.ts'

/** Who changes which subscription, and why. */
export type SubscriptionChange = {
  readonly subscription: string
  readonly actor: string
  readonly reason: string
}

const pause = statement({
  name: 'subscriptions.pause_subscription',
  params: { merchant: 'text', id: 'text', reason: 'text' },
  row: { id: 'text' },
  text: `
    update subscriptions.subscription set paused_at = now(), paused_reason = $reason
     where merchant_id = $merchant and id = $id and paused_at is null and deleted_at is null
    returning id`,
})

const resume = statement({
  name: 'subscriptions.resume_subscription',
  params: { merchant: 'text', id: 'text' },
  row: { id: 'text' },
  text: `
    update subscriptions.subscription
       set paused_at = null, paused_reason = null, failures = 0, failing_since = null,
           not_before = now()
     where merchant_id = $merchant and id = $id and paused_at is not null and deleted_at is null
    returning id`,
})

// What waits is due now, with a new schedule; an attempt under way keeps its lease.
const hurryPending = statement({
  name: 'subscriptions.hurry_pending_deliveries',
  params: { merchant: 'text', subscription: 'text' },
  text: `
    update subscriptions.delivery set next_attempt_at = now(), tries = 0
     where merchant_id = $merchant and subscription_id = $subscription and state = 'pending'
       and lease_token is null`,
})

const remove = statement({
  name: 'subscriptions.delete_subscription',
  params: { merchant: 'text', id: 'text' },
  row: { id: 'text' },
  text: `
    update subscriptions.subscription set deleted_at = now()
     where merchant_id = $merchant and id = $id and deleted_at is null
    returning id`,
})

const exists = statement({
  name: 'subscriptions.subscription_exists',
  params: { merchant: 'text', id: 'text' },
  row: { id: 'text' },
  text: `
    select id from subscriptions.subscription
     where merchant_id = $merchant and id = $id and deleted_at is null`,
})

/**
 * Pauses in a transaction, with its event and audit row; false where it was paused before. Nothing is
 * lost: the subscription keeps its place in the feed and what waits.
 */
export async function pauseIn(
  tx: Transaction,
  merchant: string,
  input: SubscriptionChange & { readonly why: PauseReason },
): Promise<boolean> {
  const { subscription, actor, reason, why } = input
  const paused = await maybe(tx, pause, { merchant, id: subscription, reason: why })
  if (!paused) return false
  await appendEvents(tx, merchant, [
    { subjectId: subscription, kind: 'subscription.paused', data: { reason: why } },
  ])
  const after = { paused_reason: why }
  await appendAudit(tx, merchant, {
    actor,
    action: 'webhook.paused',
    subjectId: subscription,
    reason,
    after,
  })
  return true
}

/** Stops delivering; again changes nothing. Refused: `subscription_unknown`. */
export async function pauseSubscription(
  context: Context,
  input: SubscriptionChange,
): Promise<Outcome<null>> {
  const { merchant } = context
  return transact(context.database, async (tx) => {
    const wasPaused = await pauseIn(tx, merchant, { ...input, why: 'operator' })
    return wasPaused ? accept(null) : known(tx, merchant, input.subscription)
  })
}

/**
 * Delivers again from where it stopped: what waited at once, then what the feed holds since. Again
 * changes nothing. Refused: `subscription_unknown`.
 */
export async function resumeSubscription(
  context: Context,
  input: SubscriptionChange,
): Promise<Outcome<null>> {
  const { merchant } = context
  const { subscription, actor, reason } = input
  return transact(context.database, async (tx) => {
    const resumed = await maybe(tx, resume, { merchant, id: subscription })
    if (!resumed) return known(tx, merchant, subscription)
    await change(tx, hurryPending, { merchant, subscription })
    await appendEvents(tx, merchant, [{ subjectId: subscription, kind: 'subscription.resumed' }])
    await appendAudit(tx, merchant, {
      actor,
      action: 'webhook.resumed',
      subjectId: subscription,
      reason,
    })
    return accept(null)
  })
}

/** Ends a subscription for good; what waited is not sent. Refused: `subscription_unknown`. */
export async function deleteSubscription(
  context: Context,
  input: SubscriptionChange,
): Promise<Outcome<null>> {
  const { merchant } = context
  const { subscription, actor, reason } = input
  return transact(context.database, async (tx) => {
    const removed = await maybe(tx, remove, { merchant, id: subscription })
    if (!removed) return known(tx, merchant, subscription)
    await appendAudit(tx, merchant, {
      actor,
      action: 'webhook.deleted',
      subjectId: subscription,
      reason,
    })
    return accept(null)
  })
}

async function known(tx: Transaction, merchant: string, id: string): Promise<Outcome<null>> {
  if (await maybe(tx, exists, { merchant, id })) return accept(null)
  return refuse('subscription_unknown', `No subscription ${id}.`)
}

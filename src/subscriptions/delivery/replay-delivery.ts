import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { appendAudit, change, maybe, statement, transact } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'

// An attempt under way keeps its lease: it is that delivery already.
const replayOne = statement({
  name: 'subscriptions.replay_delivery',
  params: { merchant: 'text', subscription: 'text', id: 'text' },
  text: `
    update subscriptions.delivery d
       set state = 'pending', tries = 0, settled_at = null,
           next_attempt_at = case when d.lease_token is null then now() else d.next_attempt_at end
     where d.merchant_id = $merchant and d.subscription_id = $subscription and d.id = $id
       and exists (select from subscriptions.subscription s
                    where s.merchant_id = d.merchant_id and s.id = d.subscription_id
                      and s.deleted_at is null)`,
})

const replayFailed = statement({
  name: 'subscriptions.replay_failed_deliveries',
  params: { merchant: 'text', subscription: 'text', limit: 'int4' },
  text: `
    update subscriptions.delivery d
       set state = 'pending', tries = 0, settled_at = null, next_attempt_at = now()
     where d.merchant_id = $merchant and d.subscription_id = $subscription
       and d.id in (select id from subscriptions.delivery
                     where merchant_id = $merchant and subscription_id = $subscription
                       and state = 'failed'
                     order by id limit $limit)`,
})

const findLive = statement({
  name: 'subscriptions.find_live_subscription',
  params: { merchant: 'text', id: 'text' },
  row: { id: 'text' },
  text: `
    select id from subscriptions.subscription
     where merchant_id = $merchant and id = $id and deleted_at is null
       for no key update`,
})

/** Deliveries that one call queues again. */
const REPLAY_MAX = 1_000

/** Which delivery to send again, or every failed one of a subscription where it names none. */
export type Replay = {
  readonly subscription: string
  readonly delivery?: string
  readonly actor: string
  readonly reason: string
}

/**
 * Sends again under the same id, with the same bytes and a new schedule, whatever became of it. Where
 * the subscription is paused it waits for the resume. Without a delivery: up to 1,000 that were given
 * up, oldest first. Answers how many. Refused: `subscription_unknown`, `delivery_unknown`.
 */
export async function replayDelivery(
  context: Context,
  input: Replay,
): Promise<Outcome<{ readonly replayed: number }>> {
  const { merchant } = context
  const { subscription, delivery, actor, reason } = input
  return transact(context.database, async (tx) => {
    if (!(await maybe(tx, findLive, { merchant, id: subscription }))) {
      return refuse('subscription_unknown', `No subscription ${subscription}.`)
    }
    const replayed =
      delivery === undefined
        ? await change(tx, replayFailed, { merchant, subscription, limit: REPLAY_MAX })
        : await change(tx, replayOne, { merchant, subscription, id: delivery })
    if (delivery !== undefined && replayed === 0) {
      return refuse('delivery_unknown', `No delivery ${delivery} of ${subscription}.`)
    }
    await appendAudit(tx, merchant, {
      actor,
      action: 'webhook.replayed',
      subjectId: subscription,
      reason,
      after: { delivery_id: delivery ?? null, replayed },
    })
    return accept({ replayed })
  })
}

import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import {
  appendAudit,
  appendEvents,
  many,
  maybe,
  statement,
  withTransaction,
} from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { writeAnswers } from './complete-dispatch.ts'
import { notifyWork } from '../fulfillment-statements.ts'

const lockDispatch = statement({
  name: 'fulfillment.lock_dispatch',
  params: { merchant: 'text', id: 'text' },
  row: { id: 'text', state: 'text', fulfillments: 'text[]', is_frozen: 'bool' },
  text: `
    select d.id, d.state,
           array(select l.fulfillment_id from fulfillment.line_claim l
                  where l.merchant_id = d.merchant_id and l.dispatch_id = d.id) as fulfillments,
           d.fence_epoch < (select fence_epoch from platform.instance) as is_frozen
      from fulfillment.dispatch d
     where d.merchant_id = $merchant and d.id = $id
       for update of d`,
})

/** Settles or queues again what is in doubt, as a person answered; nothing where it is not in doubt. */
export const settleByHand = statement({
  name: 'fulfillment.settle_dispatch_by_hand',
  params: { merchant: 'text', id: 'text', state: 'text' },
  row: { id: 'text' },
  text: `
    update fulfillment.dispatch
       set state = $state, last_code = 'operator', lease_token = null, lease_until = null,
           next_attempt_at = now(),
           settled_at = case when $state = 'accepted' then now() end,
           fence_epoch = (select fence_epoch from platform.instance)
     where merchant_id = $merchant and id = $id
       and (state in ('unknown', 'needs_operator', 'quarantined')
         or (state = 'queued' and fence_epoch < (select fence_epoch from platform.instance)))
    returning id`,
})

/**
 * A person's answer to a dispatch in doubt, after asking the partner. `received` settles it as
 * accepted; `not_received` queues the same key and the same bytes again. A dispatch that a restore
 * froze may be answered too. Refused: `dispatch_unknown`, `dispatch_state`.
 */
export async function resolveDispatch(
  context: Context,
  input: {
    readonly dispatch: string
    readonly outcome: 'received' | 'not_received'
    readonly actor: string
    readonly note: string
  },
): Promise<Outcome<{ readonly state: 'accepted' | 'queued' }>> {
  const { merchant } = context
  const state = input.outcome === 'received' ? 'accepted' : 'queued'
  return withTransaction(context.database, async (tx) => {
    const one = await maybe(tx, lockDispatch, { merchant, id: input.dispatch })
    if (!one) return refuse('dispatch_unknown', `No dispatch ${input.dispatch}.`)
    const settled = await maybe(tx, settleByHand, { merchant, id: one.id, state })
    if (!settled) return refuse('dispatch_state', `Dispatch ${one.id} is ${one.state}.`)
    const answers = await writeAnswers(tx, merchant, [
      {
        dispatchId: one.id,
        next: { state, delayMs: 0 },
        accepted: state === 'accepted' ? one.fulfillments : [],
        rejected: [],
      },
    ])
    const kind = state === 'accepted' ? 'dispatch.accepted' : 'dispatch.requeued'
    const data = { code: 'operator', actor: input.actor }
    await appendEvents(tx, merchant, [{ subjectId: one.id, kind, data }, ...answers])
    await appendAudit(tx, merchant, {
      actor: input.actor,
      action: 'dispatch.resolve',
      subjectId: one.id,
      reason: input.note,
      before: { state: one.state, is_frozen: one.is_frozen },
      after: { state },
    })
    await many(tx, notifyWork, { topic: 'fulfillment' })
    return accept({ state })
  })
}

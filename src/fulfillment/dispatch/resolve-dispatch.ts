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
import type { Context, NewEvent, RowOf, Transaction } from '#platform/index.ts'
import { notifyWork } from '../fulfillment-statements.ts'
import { ACCEPTED_STATE, IS_ASKED_BACK } from '../recall/accepted-state.ts'
import { requestRecall } from '../recall/request-recall.ts'
import { takeBackAll } from '../recall/take-back-all.ts'
import { writeAnswers } from './complete-dispatch.ts'

const lockDispatch = statement({
  name: 'fulfillment.lock_dispatch',
  params: { merchant: 'text', id: 'text' },
  row: {
    id: 'text',
    state: 'text',
    fulfillments: 'text[]',
    is_frozen: 'bool',
    is_asked_back: 'bool',
    has_tombstones: 'bool',
  },
  text: `
    select d.id, d.state,
           array(select l.fulfillment_id from fulfillment.line_claim l
                  where l.merchant_id = d.merchant_id and l.dispatch_id = d.id) as fulfillments,
           d.fence_epoch < (select fence_epoch from platform.instance) as is_frozen,
           ${IS_ASKED_BACK} as is_asked_back,
           exists (select from partners.partner p
                    where p.merchant_id = d.merchant_id and p.id = d.partner_id
                      and p.grade = 'A') as has_tombstones
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
    update fulfillment.dispatch d
       set state = case when $state = 'accepted' then ${ACCEPTED_STATE} else $state end, last_code = 'operator', lease_token = null, lease_until = null,
           next_attempt_at = now(),
           settled_at = case when $state = 'accepted' then now() end,
           fence_epoch = (select fence_epoch from platform.instance)
     where merchant_id = $merchant and id = $id
       and (state in ('unknown', 'needs_operator', 'quarantined')
         or (state = 'queued' and fence_epoch < (select fence_epoch from platform.instance)))
    returning id`,
})

/** A person's answer to a dispatch in doubt, after asking the partner. */
export type Resolution = {
  readonly dispatch: string
  readonly outcome: 'received' | 'not_received' | 'recall'
  readonly actor: string
  readonly note: string
}

/** What a dispatch in doubt came to. */
export type Resolved = { readonly state: 'accepted' | 'queued' | 'recalled' | 'recall_requested' }

/**
 * A person's answer to a dispatch in doubt, after asking the partner. `received` settles it as
 * accepted; `not_received` queues the same key and the same bytes again, or takes back what is asked
 * back where no partner's tombstone could; `recall` asks for every line back. A dispatch that a restore
 * froze may be answered too. Refused: `dispatch_unknown`, `dispatch_state`.
 */
export async function resolveDispatch(
  context: Context,
  input: Resolution,
): Promise<Outcome<Resolved>> {
  const { merchant } = context
  return withTransaction(context.database, async (tx) => {
    const one = await maybe(tx, lockDispatch, { merchant, id: input.dispatch })
    if (!one) return refuse('dispatch_unknown', `No dispatch ${input.dispatch}.`)
    if (input.outcome === 'recall') {
      if (!IN_DOUBT.has(one.state)) return notInDoubt(one)
      await requestRecall(tx, merchant, { ...input, reason: input.note })
      return accept({ state: 'recall_requested' })
    }
    const state = stateAfter(input.outcome, one)
    const settled = await maybe(tx, settleByHand, { merchant, id: one.id, state })
    if (!settled) return notInDoubt(one)
    const answers = await answersOf(tx, merchant, one, state)
    const data = { code: 'operator', actor: input.actor }
    await appendEvents(tx, merchant, [{ subjectId: one.id, kind: EVENTS[state], data }, ...answers])
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

const IN_DOUBT = new Set(['unknown', 'needs_operator', 'quarantined'])
const EVENTS = {
  accepted: 'dispatch.accepted',
  queued: 'dispatch.requeued',
  recalled: 'dispatch.recalled',
} as const

const notInDoubt = (one: { readonly id: string; readonly state: string }) =>
  refuse('dispatch_state', `Dispatch ${one.id} is ${one.state}.`)

type Doubtful = RowOf<typeof lockDispatch.row>

// With tombstones the partner itself is asked, so that a ghost of the request can never land.
function stateAfter(
  outcome: 'received' | 'not_received',
  { is_asked_back, has_tombstones }: Doubtful,
): 'accepted' | 'queued' | 'recalled' {
  if (outcome === 'received') return 'accepted'
  return is_asked_back && !has_tombstones ? 'recalled' : 'queued'
}

async function answersOf(
  tx: Transaction,
  merchant: string,
  { id, fulfillments }: Doubtful,
  state: 'accepted' | 'queued' | 'recalled',
): Promise<readonly NewEvent[]> {
  if (state === 'recalled') return takeBackAll(tx, merchant, id)
  const accepted = state === 'accepted' ? fulfillments : []
  const next = { state, delayMs: 0 }
  return writeAnswers(tx, merchant, [{ dispatchId: id, next, accepted, rejected: [] }])
}

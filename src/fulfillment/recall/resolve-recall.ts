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
import type { Context, Transaction } from '#platform/index.ts'
import { notifyWork } from '../fulfillment-statements.ts'
import { settleRecallByHand } from './recall-claims.ts'
import { settleRecall } from './settle-recall.ts'

const lockRecall = statement({
  name: 'fulfillment.lock_recall',
  params: { merchant: 'text', id: 'text' },
  row: { id: 'text', dispatch_id: 'text', state: 'text', grade: 'text' },
  text: `
    select q.id, q.dispatch_id, q.state,
           coalesce((select p.grade from partners.partner p
                      where p.merchant_id = q.merchant_id and p.id = q.partner_id), 'D') as grade
      from fulfillment.recall q
     where q.merchant_id = $merchant and q.id = $id
       for update of q`,
})

const selectUnanswered = statement({
  name: 'fulfillment.select_unanswered_recall_lines',
  params: { merchant: 'text', id: 'text' },
  row: { fulfillment_id: 'text' },
  text: `
    select o.fulfillment_id from fulfillment.recall_order o
      join fulfillment.recall_line r
        on r.merchant_id = o.merchant_id and r.dispatch_id = o.dispatch_id
       and r.fulfillment_id = o.fulfillment_id
     where o.merchant_id = $merchant and o.recall_id = $id
       and r.state in ('requested', 'in_progress', 'unknown_order')
     order by o.fulfillment_id`,
})

/** What a person learned from the partner about the lines of a recall that nobody else could answer. */
export type RecallResolution = {
  readonly recall: string
  readonly outcome: 'recalled' | 'too_late'
  /** Lines of which something else is true. */
  readonly except?: readonly {
    readonly fulfillmentId: string
    readonly outcome: 'recalled' | 'too_late'
  }[]
  readonly trackingNumber?: string | undefined
  readonly actor: string
  readonly note: string
}

/**
 * A person's answer to a recall in doubt, after asking the partner, for every line of it that is open.
 * Refused: `recall_unknown`, `dispatch_state` where it is in no doubt, `body_invalid` where an exception
 * names none of its open lines.
 */
export async function resolveRecall(
  context: Context,
  input: RecallResolution,
): Promise<Outcome<{ readonly orders: number }>> {
  const { merchant } = context
  return withTransaction(context.database, async (tx) => {
    const one = await maybe(tx, lockRecall, { merchant, id: input.recall })
    if (!one) return refuse('recall_unknown', `No recall ${input.recall}.`)
    const open = (await many(tx, selectUnanswered, { merchant, id: one.id })).map(
      (row) => row.fulfillment_id,
    )
    const isDoubtful = DOUBTFUL.has(one.state) || (one.state === 'answered' && open.length > 0)
    if (!isDoubtful) return refuse('dispatch_state', `Recall ${one.id} is ${one.state}.`)
    const stranger = input.except?.find(({ fulfillmentId }) => !open.includes(fulfillmentId))
    if (stranger !== undefined) {
      const detail = `${stranger.fulfillmentId} is no open line of ${one.id}.`
      return refuse('body_invalid', detail, { field: 'except' })
    }
    await write(tx, merchant, one, input, open)
    await many(tx, notifyWork, { topic: 'fulfillment' })
    return accept({ orders: open.length })
  })
}

const DOUBTFUL = new Set(['unknown', 'needs_operator', 'quarantined'])

async function write(
  tx: Transaction,
  merchant: string,
  one: { readonly id: string; readonly dispatch_id: string; readonly grade: string },
  input: RecallResolution,
  open: readonly string[],
): Promise<void> {
  await many(tx, settleRecallByHand, { merchant, id: one.id })
  const { except = [] } = input
  const others = new Map(except.map((line) => [line.fulfillmentId, line.outcome]))
  const events = await settleRecall(tx, merchant, {
    recall: one.id,
    dispatch: one.dispatch_id,
    by: input.actor,
    isTombstone: false,
    answers: open.map((fulfillmentId) => ({
      fulfillmentId,
      outcome: others.get(fulfillmentId) ?? input.outcome,
      trackingNumber: input.trackingNumber ?? null,
    })),
    askAgainMs: 0,
    unsettled: one.grade === 'D' ? 'needs_operator' : 'unknown',
  })
  await appendEvents(tx, merchant, events)
  await appendAudit(tx, merchant, {
    actor: input.actor,
    action: 'recall.resolve',
    subjectId: one.id,
    reason: input.note,
    after: { outcome: input.outcome, orders: open.length, except: [...others] },
  })
}

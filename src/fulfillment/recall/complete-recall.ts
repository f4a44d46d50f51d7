import { appendEvents, change, maybe, withTransaction } from '#platform/index.ts'
import type { Context, NewEvent } from '#platform/index.ts'
import { canBeAsked } from '../dispatch/partner-terms.ts'
import { completeRecall, insertRecallAttempts } from './recall-claims.ts'
import type { RecallCompletion } from './send-recall.ts'
import { settleRecall } from './settle-recall.ts'

/**
 * Writes what one attempt of a recall found, fenced by its lease: the recall, the attempt, the answer of
 * each line, claims, orders, cases and events in one transaction. False where the lease was lost.
 */
export async function completeOne(context: Context, done: RecallCompletion): Promise<boolean> {
  const { merchant, database } = context
  const { recall, seen, next, partner } = done
  return withTransaction(database, async (tx) => {
    const written = await maybe(tx, completeRecall, {
      merchant,
      id: recall.id,
      token: done.token,
      state: next.state,
      delay_ms: next.delayMs,
      code: seen.code,
    })
    if (!written) return false
    await change(tx, insertRecallAttempts, {
      merchant,
      recalls: [recall.id],
      attempts: [recall.attempt],
      started: [recall.intent_at],
      classes: [seen.kind],
      statuses: [seen.status ?? 0],
      codes: [seen.code],
      responses: [done.response],
    })
    const events: readonly NewEvent[] =
      seen.kind === 'answered'
        ? await settleRecall(tx, merchant, {
            recall: recall.id,
            dispatch: recall.dispatch_id,
            by: partner.id,
            isTombstone: seen.isTombstone,
            answers: seen.answers,
            askAgainMs: done.askAgainMs,
            unsettled: canBeAsked(partner) ? 'unknown' : 'needs_operator',
          })
        : [
            {
              subjectId: recall.dispatch_id,
              kind: `dispatch.recall_${next.state}`,
              data: { partner_id: partner.id, recall_id: recall.id, code: seen.code },
            },
          ]
    await appendEvents(tx, merchant, events)
    return true
  })
}

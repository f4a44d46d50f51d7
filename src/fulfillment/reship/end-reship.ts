import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { releaseStock } from '#inventory/index.ts'
import { appendAudit, appendEvents, maybe, transact } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { lockShipped } from '../ship/inbox-statements.ts'
import { selectReship, withdrawReship } from './reship-statements.ts'
import type { ReshipDecision } from './reship.ts'

/**
 * Ends an approved reship that no partner has (it was given back, or waits to be sealed): it never ships, and
 * what was reserved in its name is free again. What shipped before it stays shipped. Refused:
 * `reship_unknown`, `reship_state` where it is not approved, or ended, `fulfillment_state` where it is with
 * a partner, was rejected by it, or has shipped.
 */
export async function endReship(
  context: Context,
  { reship: id, actor, note }: ReshipDecision,
): Promise<Outcome<{ readonly fulfillment: string }>> {
  const { merchant } = context
  return transact(context.database, async (tx) => {
    const seen = await maybe(tx, selectReship, { merchant, id })
    if (!seen) return refuse('reship_unknown', `No reship ${id}.`)
    const { fulfillment_id: fulfillment, order_id, generation } = seen
    const target = await maybe(tx, lockShipped, { merchant, ids: [fulfillment] })
    const ended = await maybe(tx, withdrawReship, { merchant, id })
    if (!ended) {
      const wish = await maybe(tx, selectReship, { merchant, id })
      return wish?.state === 'approved'
        ? refuse('fulfillment_state', whyNot(fulfillment, target?.state))
        : refuse('reship_state', `${id} is ${wish?.state}: only an approved reship can be ended.`)
    }
    await releaseStock(tx, merchant, [{ subjectId: id, sourceId: `${id}/ended` }])
    const data = { order_id, reship_id: id, generation, actor }
    await appendEvents(tx, merchant, [
      { subjectId: fulfillment, kind: 'fulfillment.reship_ended', data },
    ])
    const after = { fulfillment_id: fulfillment, generation }
    await appendAudit(tx, merchant, {
      actor,
      action: 'reship.ended',
      subjectId: id,
      reason: note,
      after,
    })
    return accept({ fulfillment })
  })
}

const whyNot = (fulfillment: string, state = 'gone'): string =>
  state === 'rejected'
    ? `${fulfillment} is rejected: its units are decided on first.`
    : `${fulfillment} is ${state}: what a partner has is asked back first.`

import { accept, newId, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import {
  appendAudit,
  appendEvents,
  change,
  many,
  maybe,
  statement,
  withTransaction,
} from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { holdOrders, insertHolds, notifyWork } from '../fulfillment-statements.ts'
import { settleOrders } from './settle-orders.ts'

const lockOne = statement({
  name: 'fulfillment.lock_fulfillment_order',
  params: { merchant: 'text', id: 'text' },
  row: { id: 'text', order_id: 'text', state: 'text' },
  text: `
    select id, order_id, state from fulfillment.fulfillment_order
     where merchant_id = $merchant and id = $id
       for update`,
})

const selectHold = statement({
  name: 'fulfillment.select_hold',
  params: { merchant: 'text', id: 'text', fulfillment: 'text' },
  row: { kind: 'text', released_at: 'timestamptz?' },
  text: `
    select kind, released_at from fulfillment.hold
     where merchant_id = $merchant and id = $id and fulfillment_id = $fulfillment`,
})

const releaseHold = statement({
  name: 'fulfillment.release_hold',
  params: { merchant: 'text', id: 'text', actor: 'text', reason: 'text' },
  text: `
    update fulfillment.hold
       set released_at = now(), released_by = $actor, release_reason = $reason
     where merchant_id = $merchant and id = $id and kind = 'operator' and released_at is null`,
})

/** Who acts on which fulfillment order, and why. */
export type HoldChange = {
  readonly fulfillment: string
  readonly actor: string
  readonly reason: string
}

/**
 * Holds an unsealed fulfillment order for a person. Refused: `fulfillment_unknown`, or
 * `dispatch_sealed` where it is too late.
 */
export async function placeHold(
  context: Context,
  input: HoldChange,
): Promise<Outcome<{ readonly id: string }>> {
  const { merchant } = context
  return withTransaction(context.database, async (tx) => {
    const one = await maybe(tx, lockOne, { merchant, id: input.fulfillment })
    if (!one) return unknownOrder(input.fulfillment)
    if (one.state !== 'held' && one.state !== 'open') {
      return refuse('dispatch_sealed', `Fulfillment order ${one.id} is ${one.state}.`)
    }
    const id = newId('hold')
    await change(tx, insertHolds, {
      merchant,
      ids: [id],
      fulfillments: [one.id],
      kind: 'operator',
      reasons: [JSON.stringify([input.reason])],
      actor: input.actor,
    })
    await many(tx, holdOrders, { merchant, ids: [one.id] })
    const data = { order_id: one.order_id, hold_id: id, reasons: ['operator'] }
    await appendEvents(tx, merchant, [{ subjectId: one.id, kind: 'fulfillment.held', data }])
    await appendAudit(tx, merchant, {
      actor: input.actor,
      action: 'fulfillment.hold',
      subjectId: one.id,
      reason: input.reason,
      before: { state: one.state },
      after: { state: 'held', hold_id: id },
    })
    return accept({ id })
  })
}

/**
 * Releases an operator's hold; the order opens only where a certified CLEAR stands. Releasing again
 * changes nothing. Refused: `fulfillment_unknown`, `hold_unknown`, and `hold_needs_decision` for a
 * review hold, which no person can lift from here.
 */
export async function liftHold(
  context: Context,
  input: HoldChange & { readonly hold: string },
): Promise<Outcome<null>> {
  const { merchant } = context
  return withTransaction(context.database, async (tx) => {
    const one = await maybe(tx, lockOne, { merchant, id: input.fulfillment })
    if (!one) return unknownOrder(input.fulfillment)
    const hold = await maybe(tx, selectHold, { merchant, id: input.hold, fulfillment: one.id })
    if (!hold) return refuse('hold_unknown', `No hold ${input.hold} on ${one.id}.`)
    if (hold.kind === 'review') {
      return refuse('hold_needs_decision', 'A review hold closes by a decision on the order.')
    }
    if (hold.released_at !== null) return accept(null)
    const { actor, reason } = input
    await change(tx, releaseHold, { merchant, id: input.hold, actor, reason })
    await settleOrders(tx, merchant, [one.order_id])
    await appendAudit(tx, merchant, {
      actor,
      action: 'fulfillment.release',
      subjectId: one.id,
      reason,
      before: { hold_id: input.hold },
    })
    await many(tx, notifyWork, { topic: 'fulfillment' })
    return accept(null)
  })
}

const unknownOrder = (id: string) => refuse('fulfillment_unknown', `No fulfillment order ${id}.`)

import { openCases } from '#cases/index.ts'
import { releaseStock } from '#inventory/index.ts'
import { newId } from '#kernel/index.ts'
import { change, many } from '#platform/index.ts'
import type { NewEvent, RowOf, Transaction } from '#platform/index.ts'
import { insertHolds } from '../fulfillment-statements.ts'
import { settleOrders } from '../hold/settle-orders.ts'
import { selectGenerations } from '../reship/reship-statements.ts'
import { freeClaims, takeBackOrders } from './line-statements.ts'

const ENDED = new Set(['cancel', 'reject'])

// A person asked for these: nothing of them is sealed again before a person says so.
const HELD_FOR_A_PERSON = { amend: 'address_change', operator: 'recalled' } as const

/**
 * Gives lines of a dispatch back: they leave the ship-once index, and their fulfillment orders end
 * (`cancel`, `reject`, or where a parcel has left) or are held until decided anew. What nobody asked for, and came back with its
 * dispatch, opens again under the CLEAR that it had. The orders of the dispatch are locked already.
 */
export async function freeLines(
  tx: Transaction,
  merchant: string,
  dispatch: string,
  fulfillments: readonly string[],
): Promise<readonly NewEvent[]> {
  if (fulfillments.length === 0) return []
  const freed = await many(tx, freeClaims, { merchant, dispatch, fulfillments })
  const isEnded = (cause: string | null): boolean => ENDED.has(cause ?? '')
  const ended = freed.flatMap((one) => (isEnded(one.cause) ? [one.fulfillment_id] : []))
  const moved = await many(tx, takeBackOrders, {
    merchant,
    dispatch,
    ended,
    held: freed.flatMap((one) => (isEnded(one.cause) ? [] : [one.fulfillment_id])),
  })
  const gone = moved.filter((one) => one.state === 'recalled')
  await releaseReships(tx, merchant, gone)
  const inPart = gone.filter((one) => !ended.includes(one.id))
  await openPartCases(tx, merchant, dispatch, inPart)
  const held = new Set(moved.flatMap((one) => (one.state === 'held' ? [one.id] : [])))
  const back = freed.filter((one) => held.has(one.fulfillment_id))
  for (const [cause, reason] of Object.entries(HELD_FOR_A_PERSON)) {
    const ours = back.filter((one) => one.cause === cause)
    for (const [actor, theirs] of Map.groupBy(ours, (one) => one.actor ?? 'recall'))
      await change(tx, insertHolds, {
        merchant,
        ids: theirs.map(() => newId('hold')),
        fulfillments: theirs.map((one) => one.fulfillment_id),
        kind: 'operator',
        reasons: theirs.map(() => JSON.stringify([reason])),
        actor,
      })
  }
  const orders = [...new Set(back.map((one) => one.order_id))].toSorted()
  if (orders.length > 0) await settleOrders(tx, merchant, orders)
  return freed.map((one) => ({
    subjectId: one.fulfillment_id,
    kind: 'fulfillment.recalled',
    data: { order_id: one.order_id, dispatch_id: dispatch, code: one.cause ?? 'with_its_dispatch' },
  }))
}

// A cancellation releases what is reserved for its order; what a reship reserved is in its own name, and
// ends with its line.
async function releaseReships(
  tx: Transaction,
  merchant: string,
  gone: readonly { readonly id: string }[],
): Promise<void> {
  if (gone.length === 0) return
  const ids = gone.map((one) => one.id)
  const reships = (await many(tx, selectGenerations, { merchant, ids })).map((row) => row.reship_id)
  if (reships.length === 0) return
  await releaseStock(
    tx,
    merchant,
    reships.map((id) => ({ subjectId: id, sourceId: `${id}/recalled` })),
  )
}

// What is left of an order after its first parcel is nobody's wish to end: a person says what becomes of it.
async function openPartCases(
  tx: Transaction,
  merchant: string,
  dispatch: string,
  inPart: readonly RowOf<typeof takeBackOrders.row>[],
): Promise<void> {
  if (inPart.length === 0) return
  const cases = inPart.map(({ id, order_id, partner_id }) => ({
    kind: 'discrepancy' as const,
    subjectId: `part:${id}`,
    orderId: order_id,
    partnerId: partner_id,
    title: 'A part had left when the rest came back: cancel the order, and the rest is released.',
    evidence: { dispatch, fulfillment: id },
  }))
  await openCases(tx, merchant, 'recall', cases)
}

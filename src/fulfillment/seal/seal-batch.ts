import { newId } from '#kernel/index.ts'
import { appendEvents, change, many, withTransaction } from '#platform/index.ts'
import type { Context, Transaction } from '#platform/index.ts'
import { SEALED_BYTES_MAX } from '#wire/index.ts'
import type { LaneGate } from '../handshake/lane-session.ts'
import type { ApprovalCheck } from './approval-check.ts'
import { holdOrders, insertHolds, newestDecisions } from '../fulfillment-statements.ts'
import { planBatches } from './plan-batch.ts'
import { proveCleared } from './prove-cleared.ts'
import type { RefusedOrder } from './prove-cleared.ts'
import { BATCH_ORDERS_MAX } from './seal-body.ts'
import type { SealProver } from './seal-proof.ts'
import { claimOpen, selectContent } from './seal-statements.ts'
import { writeBatches } from './write-batches.ts'

/** What a seal is given: the check of approvals, and the prover of what it writes. */
export type SealChecks = {
  readonly isProven: ApprovalCheck
  readonly prover: SealProver
  /** The session whose handshake opened the lane; without one nothing is sealed. */
  readonly gate: LaneGate
  /** Fulfillment orders in one batch; 100 where absent. */
  readonly batchOrdersMax?: number
}

/** What one seal did: the dispatches it queued, and how many orders went in or were held back. */
export type SealResult = {
  readonly dispatches: readonly string[]
  readonly orders: number
  readonly heldBack: number
}

/**
 * Seals what a partner is to get next, in one transaction: at most 100 open, effective orders are
 * claimed, each CLEAR is proven again from our own table, the bytes are written once, and every line
 * is claimed under the ship-once index. What is not proven, or cannot be sent, is held back loudly.
 */
export async function sealBatch(
  context: Context,
  partner: string,
  checks: SealChecks,
): Promise<SealResult> {
  const { id: provenance } = await context.provenance()
  const { merchant } = context
  const done = await withTransaction(context.database, (tx) =>
    seal(tx, { merchant, partner, ...checks, provenance }),
  )
  for (const one of done.refused) {
    context.log.error({ fulfillment_id: one.id, order_id: one.orderId, code: one.code }, one.why)
  }
  return { dispatches: done.dispatches, orders: done.orders, heldBack: done.refused.length }
}

type Sealed = {
  readonly dispatches: readonly string[]
  readonly orders: number
  readonly refused: readonly RefusedOrder[]
}

async function seal(
  tx: Transaction,
  plan: SealChecks & {
    readonly merchant: string
    readonly partner: string
    readonly provenance: string
  },
): Promise<Sealed> {
  const { merchant, partner } = plan
  const claimed = await many(tx, claimOpen, {
    merchant,
    partner,
    ...plan.gate,
    limit: BATCH_ORDERS_MAX,
  })
  if (claimed.length === 0) return { dispatches: [], orders: 0, refused: [] }
  const orders = [...new Set(claimed.map((one) => one.order_id))]
  // Read after the rows are locked: a decision that came in between is seen here.
  const contents = await many(tx, selectContent, { merchant, orders })
  const decisions = await many(tx, newestDecisions, { merchant, orders })
  const facts = { merchant, contents, decisions, isProven: plan.isProven }
  const { cleared, refused } = proveCleared(claimed, facts)
  const { batches, tooLarge } = planBatches(cleared, {
    ordersMax: plan.batchOrdersMax ?? BATCH_ORDERS_MAX,
    bytesMax: SEALED_BYTES_MAX,
  })
  const orderOf = new Map(claimed.map((one) => [one.id, one.order_id]))
  const giants = tooLarge.map((one): RefusedOrder => ({
    id: one.fulfillmentId,
    orderId: orderOf.get(one.fulfillmentId) ?? '',
    code: 'dispatch_too_large',
    why: 'a fulfillment order alone is above the sealed-body limit',
  }))
  const heldBack = [...refused, ...giants]
  await holdBack(tx, merchant, heldBack)
  const dispatches = await writeBatches(tx, { ...plan, orderOf }, batches)
  return { dispatches, orders: batches.flat().length, refused: heldBack }
}

async function holdBack(
  tx: Transaction,
  merchant: string,
  refused: readonly RefusedOrder[],
): Promise<void> {
  if (refused.length === 0) return
  await many(tx, holdOrders, { merchant, ids: refused.map((one) => one.id) })
  for (const kind of ['review', 'operator'] as const) {
    // Only a decision lifts the first kind; the others are for a person to look at.
    const ours = refused.filter((one) => (one.code === 'approval_unproven') === (kind === 'review'))
    if (ours.length === 0) continue
    await change(tx, insertHolds, {
      merchant,
      ids: ours.map(() => newId('hold')),
      fulfillments: ours.map((one) => one.id),
      kind,
      reasons: ours.map((one) => JSON.stringify([one.code])),
      actor: 'seal',
    })
  }
  const events = refused.map((one) => ({
    subjectId: one.id,
    kind: 'fulfillment.held',
    data: { order_id: one.orderId, reasons: [one.code] },
  }))
  await appendEvents(tx, merchant, events)
}

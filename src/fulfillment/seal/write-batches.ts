import { newId } from '#kernel/index.ts'
import { appendEvents, change, maybe } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import { sealBody } from './seal-body.ts'
import type { SealableOrder } from './seal-body.ts'
import type { SealProver } from './seal-proof.ts'
import {
  insertBatches,
  insertBodies,
  insertClaims,
  insertDispatches,
  sealOrders,
  takeSequence,
} from './seal-statements.ts'

// A batch is planned here and sealed at once, so its content is always its first.
const FIRST_REVISION = 1

/** Where the batches go, and what their rows must tell. */
export type BatchFrame = {
  readonly merchant: string
  readonly partner: string
  readonly provenance: string
  readonly prover: SealProver
  /** The order of each fulfillment order. */
  readonly orderOf: ReadonlyMap<string, string>
}

/**
 * Writes planned batches: sequence under the lane's lock, dispatch, sealed bytes, line claims, and
 * the fulfillment orders as sealed. A line that is live elsewhere breaks the unique index, and with
 * it the transaction. Answers the dispatch ids.
 */
export async function writeBatches(
  tx: Transaction,
  frame: BatchFrame,
  batches: readonly (readonly SealableOrder[])[],
): Promise<readonly string[]> {
  if (batches.length === 0) return []
  const { merchant, partner, provenance } = frame
  const sealed = await sealAll(tx, frame, batches)
  const ids = sealed.map((one) => one.id)
  await change(tx, insertBatches, {
    merchant,
    partner,
    provenance,
    ids: sealed.map((one) => one.batch),
    orders: sealed.map((one) => one.orders.length),
  })
  await change(tx, insertDispatches, {
    merchant,
    partner,
    provenance,
    ids,
    batches: sealed.map((one) => one.batch),
    revisions: sealed.map(() => FIRST_REVISION),
    keys: sealed.map((one) => one.body.key),
    digests: sealed.map((one) => one.body.contentSha256),
    sequences: sealed.map((one) => one.sequence),
    promises: sealed.map((one) => nearestPromise(one.orders)),
  })
  await change(tx, insertBodies, {
    merchant,
    ids,
    bodies: sealed.map((one) => one.body.bytes),
    proof_keys: sealed.map((one) => one.proof.keyId),
    proofs: sealed.map((one) => one.proof.mac),
  })
  const lines = sealed.flatMap((one) => one.orders.map((order) => ({ ...order, dispatch: one.id })))
  const dispatches = lines.map((line) => line.dispatch)
  const fulfillments = lines.map((line) => line.fulfillmentId)
  await change(tx, insertClaims, {
    merchant,
    dispatches,
    fulfillments,
    generations: lines.map((line) => line.generation),
    orders: lines.map((line) => frame.orderOf.get(line.fulfillmentId) ?? ''),
    decisions: lines.map((line) => line.decisionId),
  })
  await change(tx, sealOrders, { merchant, dispatches, fulfillments })
  const events = sealed.map((one) => ({
    subjectId: one.id,
    kind: 'dispatch.sealed',
    data: {
      batch_id: one.batch,
      partner_id: partner,
      key: one.body.key,
      orders: one.orders.length,
    },
  }))
  await appendEvents(tx, merchant, events)
  return ids
}

/** The nearest promise among the orders of a dispatch, or null; the texts sort like their times. */
export function nearestPromise(orders: readonly Pick<SealableOrder, 'shipBy'>[]): string | null {
  const [first] = orders.flatMap((one) => one.shipBy ?? []).toSorted()
  return first ?? null
}

async function sealAll(
  tx: Transaction,
  { merchant, partner, prover }: BatchFrame,
  batches: readonly (readonly SealableOrder[])[],
) {
  const taken = await maybe(tx, takeSequence, { merchant, partner, count: batches.length })
  const first = taken?.first ?? 1
  return batches.map((orders, index) => {
    const batch = newId('btc')
    const sequence = first + index
    const body = sealBody({ merchant, partner, batch, revision: FIRST_REVISION, sequence, orders })
    const id = newId('dsp')
    const { key, bytes } = body
    const proof = prover.prove({ merchant, partner, dispatch: id, key, bytes })
    return { id, batch, sequence, orders, body, proof }
  })
}

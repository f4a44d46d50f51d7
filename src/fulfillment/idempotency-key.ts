import { base32, canonicalJson, invariant, sha256 } from '#kernel/index.ts'

/** What a dispatch asks of a partner. */
export type Operation = 'dispatch.create' | 'dispatch.recall'

/**
 * The `Idempotency-Key` of HDP/1 §1.2: same operation, same key, today, after a crash, on the ninth
 * retry, after a deploy. It is a hash of the operation's identity and knows no clock.
 */
export function idempotencyKey(operation: {
  readonly merchant: string
  readonly partner: string
  readonly op: Operation
  readonly batch: string
  readonly revision: number
}): string {
  invariant(operation.revision >= 1, 'a revision counts from one')
  const { merchant, partner, op, batch, revision } = operation
  return `hfd1-${hashed({ v: 1, merchant, partner, op, batch, revision })}`
}

/** The key of one fulfillment order at a partner; only an approved reship raises its generation. */
export function orderKey(order: {
  readonly merchant: string
  readonly partner: string
  readonly fulfillment: string
  readonly generation: number
}): string {
  invariant(order.generation >= 1, 'a generation counts from one')
  const { merchant, partner, fulfillment, generation } = order
  return `hfo1-${hashed({ v: 1, merchant, partner, op: 'ship', fulfillment, generation })}`
}

/** The `webhook-id` of a dispatch: one per event, the same for every attempt. */
export function webhookIdOf(key: string): string {
  return `msg_${key.slice('hfd1-'.length)}`
}

const hashed = (identity: Readonly<Record<string, string | number>>) =>
  base32(sha256(canonicalJson(identity)).subarray(0, 20))

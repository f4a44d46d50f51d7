import { canonicalJson, sha256 } from '#kernel/index.ts'
import { idempotencyKey, orderKey } from '../idempotency-key.ts'
import { orderContent } from '../seal/seal-body.ts'

/** Whose no-op it is: keys are hashes of these, as they are for real dispatches. */
export type ProbeIdentity = { readonly merchant: string; readonly partner: string }

/** What nobody has on a shelf. */
export const PROBE_SKU = 'HOLDFAST-PROBE'

/** A no-op dispatch as bytes, with what its answer must echo. */
export type ProbeBody = {
  readonly batch: string
  readonly bytes: Buffer
  readonly key: string
  readonly contentSha256: string
  readonly fulfillmentIds: readonly string[]
  readonly orderKey: string
}

/**
 * The body of a no-op dispatch (docs/reference/partner-protocol.md §5). It is a function of identity
 * and batch alone, so that a later probe sends the very same bytes. `orderOf` names another batch's
 * order; `quantity` and `isHeld` change the content under the same key.
 */
export function probeBody(
  { merchant, partner }: ProbeIdentity,
  batch: string,
  over: { readonly orderOf?: string; readonly quantity?: number; readonly isHeld?: boolean } = {},
): ProbeBody {
  const fulfillment = fulfillmentOf(over.orderOf ?? batch)
  const order = {
    ...orderContent({
      fulfillmentId: fulfillment,
      generation: 1,
      decisionId: 'rvd_probe',
      shipTo: { name: 'Holdfast probe', country: 'ZZ' },
      lines: [{ line_id: '1', sku: PROBE_SKU, qty: over.quantity ?? 1 }],
    }),
    hold_for_review: over.isHeld ?? false,
  }
  const content = { schema: 'holdfast.dispatch/1', type: 'dispatch.create', batch }
  const contentSha256 = sha256(canonicalJson({ ...content, orders: [order] })).toString('hex')
  const key = idempotencyKey({ merchant, partner, op: 'dispatch.create', batch, revision: 1 })
  const order_key = orderKey({ merchant, partner, fulfillment, generation: 1 })
  const body = {
    ...content,
    key,
    content_sha256: contentSha256,
    revision: 1,
    supersedes: null,
    probe: true,
    sequence: 0,
    order_count: 1,
    orders: [{ ...order, order_key }],
  }
  const bytes = Buffer.from(canonicalJson(body))
  const fulfillmentIds = [fulfillment]
  return { batch, bytes, key, contentSha256, fulfillmentIds, orderKey: order_key }
}

/** The recall of a no-op, with a key of its own. */
export function probeRecall(
  { merchant, partner }: ProbeIdentity,
  of: ProbeBody,
): { readonly key: string; readonly bytes: Buffer } {
  const { batch } = of
  const key = idempotencyKey({ merchant, partner, op: 'dispatch.recall', batch, revision: 1 })
  const body = {
    schema: 'holdfast.recall/1',
    type: 'dispatch.recall',
    key,
    recalls: of.key,
    order_keys: [of.orderKey],
    reason: 'conformance probe',
  }
  return { key, bytes: Buffer.from(canonicalJson(body)) }
}

const fulfillmentOf = (batch: string): string => `ful_${batch.slice('btc_'.length)}`

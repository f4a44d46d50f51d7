import { canonicalJson, invariant } from '#kernel/index.ts'
import { idempotencyKey, orderKey } from '../idempotency-key.ts'

/** Why lines are asked back. `operator` is a person's own word. */
export type RecallCause = 'cancel' | 'reject' | 'amend' | 'hold' | 'operator'

/** One line that is asked back. */
export type RecalledLine = {
  readonly fulfillmentId: string
  readonly generation: number
  readonly cause: RecallCause
}

/** The bytes of a recall, its own key, and the order key of each line. */
export type RecallBody = {
  readonly bytes: Buffer
  readonly key: string
  readonly orderKeys: ReadonlyMap<string, string>
}

// What a partner reads. What a person wrote stays in our books: it may name a buyer.
const WORDS: Readonly<Record<RecallCause, string>> = {
  cancel: 'order cancelled',
  reject: 'order rejected',
  amend: 'address changed',
  hold: 'order held for review',
  operator: 'recalled by the merchant',
}

/**
 * Builds the sealed body of a recall (HDP/1 §1.8) as RFC 8785 bytes. `revision` counts the recalls of
 * the batch from one: the same lines asked for again are another recall. Pure: no clock, no flag.
 */
export function recallBody(plan: {
  readonly merchant: string
  readonly partner: string
  readonly batch: string
  readonly revision: number
  /** The key of the dispatch that is recalled. */
  readonly recalls: string
  readonly lines: readonly RecalledLine[]
}): RecallBody {
  const { merchant, partner, batch, revision, recalls, lines } = plan
  invariant(lines.length > 0, 'a recall asks for a line')
  const key = idempotencyKey({ merchant, partner, op: 'dispatch.recall', batch, revision })
  const orderKeys = new Map(
    lines.map(({ fulfillmentId, generation }) => [
      fulfillmentId,
      orderKey({ merchant, partner, fulfillment: fulfillmentId, generation }),
    ]),
  )
  const causes = [...new Set(lines.map((one) => one.cause))].toSorted()
  const body = {
    schema: 'holdfast.recall/1',
    type: 'dispatch.recall',
    key,
    recalls,
    order_keys: [...orderKeys.values()].toSorted(),
    reason: causes.map((cause) => WORDS[cause]).join('; '),
  }
  return { bytes: Buffer.from(canonicalJson(body)), key, orderKeys }
}

import { z } from 'zod'
import { sha256Hex } from '#kernel/index.ts'
import { staleEpoch } from './accept-dispatch.ts'
import { KEY } from './judge-request.ts'
import type { Append } from './ledger.ts'
import type { RecallRecord } from './ledger-record.ts'
import type { DispatchEntry, FulfillmentEntry, LedgerState } from './ledger-state.ts'
import { json, problem } from './problem.ts'
import type { Answer, Judged } from './problem.ts'
import type { PartnerProfile } from './profile.ts'
import { malformed } from './read-dispatch.ts'
import { trackingNumber } from './shipment.ts'
import type { PartnerName } from './shipment.ts'
import { strictJson } from './strict-json.ts'

const recall = z.looseObject({
  schema: z.literal('holdfast.recall/1'),
  type: z.literal('dispatch.recall'),
  /** The recall's own key. */
  key: z.string().regex(KEY),
  /** The key of the dispatch that is recalled. */
  recalls: z.string().regex(KEY),
  order_keys: z
    .array(z.string().regex(/^hfo1-[a-z2-7]{32}$/))
    .min(1)
    .max(1_000),
  reason: z.string().min(1).max(500),
})

/** A recall as received, with the digest that tells a replay from other content. */
export type Recall = z.output<typeof recall> & { readonly bodySha256: string }

/** Reads a recall body (HDP/1 §1.8). */
export function readRecall(body: Buffer): Judged<Recall> {
  const parsed = recall.safeParse(strictJson(body))
  if (!parsed.success) return malformed(parsed.error)
  return { ok: true, value: { ...parsed.data, bodySha256: sha256Hex(body) } }
}

/**
 * Answers a recall per order. A key never seen gets a tombstone: a ghost of its create that lands
 * later is refused with 410. What was picked or shipped is not recalled, and says so.
 */
export function recallDispatch(
  state: LedgerState,
  append: Append,
  asked: {
    recall: Recall
    fenceEpoch: number | undefined
    partner: PartnerName
    profile: PartnerProfile
  },
): Answer {
  const { recall: read, fenceEpoch, profile } = asked
  if (fenceEpoch !== undefined && fenceEpoch < state.fenceEpoch) return staleEpoch(state)
  if (fenceEpoch !== undefined && fenceEpoch > state.fenceEpoch)
    append({ t: 'epoch', epoch: fenceEpoch })
  const earlier = state.recalls.get(read.key)
  if (earlier) {
    if (earlier.record.body_sha256 !== read.bodySha256) return problem('key_reused')
    return json(200, answer(earlier.record), { 'idempotent-replayed': 'true' })
  }
  const entry = state.byKey.get(read.recalls)
  if (!entry && !profile.tombstones)
    return problem('dispatch_unknown', undefined, { key: read.recalls })
  const record: RecallRecord = {
    t: 'recall',
    at: new Date().toISOString(),
    recall_key: read.key,
    body_sha256: read.bodySha256,
    key: read.recalls,
    reason: read.reason,
    tombstone: entry === undefined,
    outcomes: [...new Set(read.order_keys)].map((orderKey) =>
      entry
        ? outcomeOf(entry, orderKey, asked.partner)
        : { order_key: orderKey, outcome: 'recalled' },
    ),
  }
  append(record)
  return json(200, answer(record))
}

type RecallOutcome = RecallRecord['outcomes'][number]

function outcomeOf(entry: DispatchEntry, orderKey: string, partner: PartnerName): RecallOutcome {
  const found = entry.fulfillments.find((one) => one.orderKey === orderKey)
  if (!found) return { order_key: orderKey, outcome: 'unknown_order' }
  const outcome = outcomeFor(entry, found)
  if (outcome !== 'too_late') return { order_key: orderKey, outcome }
  return { order_key: orderKey, outcome, tracking_number: trackingNumber(partner, found.number) }
}

function outcomeFor(entry: DispatchEntry, one: FulfillmentEntry): RecallOutcome['outcome'] {
  if (one.recalledAt !== null) return 'recalled'
  if (one.shippedAt !== null) return 'too_late'
  return entry.isTold ? 'in_progress' : 'recalled'
}

function answer(record: RecallRecord) {
  return {
    key: record.recall_key,
    recalls: record.key,
    tombstone: record.tombstone,
    orders: record.outcomes,
  }
}

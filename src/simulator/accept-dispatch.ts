import type { Append } from './ledger.ts'
import type { DispatchEntry, LedgerState } from './ledger-state.ts'
import { json, problem } from './problem.ts'
import type { Answer } from './problem.ts'
import type { Dispatch } from './read-dispatch.ts'

/** How a judged dispatch is taken: its fence, and whether the partner looks at keys at all. */
export type Terms = { readonly fenceEpoch: number; readonly isDeduped: boolean }

/**
 * Decides on one dispatch against the ledger: the fence first, then the key, then the revision and
 * the live order keys. Runs alone (`Ledger.transact`), so two requests cannot both be the first.
 */
export function acceptDispatch(
  state: LedgerState,
  append: Append,
  dispatch: Dispatch,
  terms: Terms,
): Answer {
  if (terms.fenceEpoch < state.fenceEpoch) return staleEpoch(state)
  if (terms.fenceEpoch > state.fenceEpoch) append({ t: 'epoch', epoch: terms.fenceEpoch })
  if (terms.isDeduped) {
    const settled = settledAnswer(state, append, dispatch)
    if (settled) return settled
  }
  append({
    t: 'accepted',
    at: new Date().toISOString(),
    key: dispatch.key,
    content_sha256: dispatch.content_sha256,
    batch: dispatch.batch,
    revision: dispatch.revision,
    sequence: dispatch.sequence,
    event: state.nextEvent,
    first: state.nextFulfillment,
    orders: dispatch.orders.map((order) => ({
      fulfillment_id: order.fulfillment_id,
      order_key: order.order_key,
      lines: order.lines.map(({ line_id, sku, qty }) => ({ line_id, sku, qty })),
    })),
  })
  return json(201, echo(state.dispatches.at(-1)))
}

/** 409: the definite "no effect" that tells a restored sender to reconcile first. */
export function staleEpoch(state: LedgerState): Answer {
  return problem('stale_epoch', `fence epoch ${state.fenceEpoch} was seen`, {
    fence_epoch: state.fenceEpoch,
  })
}

function settledAnswer(state: LedgerState, append: Append, dispatch: Dispatch): Answer | undefined {
  if (state.recalledKeys.has(dispatch.key)) return problem('recalled')
  const known = state.byKey.get(dispatch.key)
  if (known) {
    if (known.contentSha256 !== dispatch.content_sha256) return problem('key_reused')
    append({ t: 'replay', key: dispatch.key })
    return json(200, echo(known), { 'idempotent-replayed': 'true' })
  }
  const highest = state.revisions.get(dispatch.batch) ?? 0
  if (dispatch.revision < highest)
    return problem('stale_revision', `revision ${highest} of ${dispatch.batch} was seen`)
  const live = dispatch.orders.find((order) => state.liveOrderKeys.has(order.order_key))
  if (!live) return undefined
  return problem('order_key_live', undefined, {
    order_key: live.order_key,
    live_under: state.liveOrderKeys.get(live.order_key)?.key,
  })
}

/** The echo that alone counts as success (HDP/1 §1.3). */
function echo(entry: DispatchEntry | undefined) {
  return {
    key: entry?.key,
    content_sha256: entry?.contentSha256,
    accepted: entry?.fulfillments.map((one) => one.id),
    rejected: [],
  }
}

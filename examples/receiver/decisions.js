// The decisions of HDP/1 over what the ledger knows: no network, no clock but the acceptance's.
import { Refused } from './checks.js'

/**
 * What is settled about a dispatch before it is taken: a replay, or a refusal (thrown), or nothing.
 * The order of the questions is the order of the protocol; the first that fails is the answer.
 */
export function settle(state, append, dispatch, fenceEpoch) {
  if (dispatch.probe !== true) meetFence(state, append, fenceEpoch)
  if (state.recalledKeys.has(dispatch.key)) throw new Refused(410, 'recalled')
  const known = state.dispatches.get(dispatch.key)
  if (known) {
    if (known.content_sha256 !== dispatch.content_sha256) throw new Refused(422, 'key_reused')
    return { status: 200, headers: { 'idempotent-replayed': 'true' }, body: echo(known) }
  }
  if (dispatch.revision < (state.revisions.get(dispatch.batch) ?? 0))
    throw new Refused(409, 'stale_revision')
  for (const { order_key: orderKey } of dispatch.orders) {
    const holder = state.liveOrders.get(orderKey)
    if (holder !== undefined)
      throw new Refused(409, 'order_key_live', { order_key: orderKey, live_under: holder })
  }
  return undefined
}

/** Accepts a dispatch, but for the orders in `rejected`; of a probe nothing but names is kept. */
export function accept(append, dispatch, rejected = []) {
  const { key, content_sha256, batch, revision, sequence } = dispatch
  const refused = new Set(rejected.map((one) => one.id))
  const orders = dispatch.orders
    .filter((one) => !refused.has(one.fulfillment_id))
    .map(({ fulfillment_id, order_key, lines, ship_to }) =>
      dispatch.probe === true
        ? { fulfillment_id, order_key }
        : { fulfillment_id, order_key, lines, ship_to },
    )
  const accepted_at = new Date().toISOString()
  const what = { key, content_sha256, batch, revision, sequence, accepted_at, orders, rejected }
  append({ t: 'accepted', ...what, ...(dispatch.probe === true ? { probe: true } : {}) })
  return { status: 201, body: echo(what) }
}

/** A lower fence epoch than seen is a restored sender, which must reconcile first. */
export function meetFence(state, append, fenceEpoch) {
  if (fenceEpoch < state.fenceEpoch)
    throw new Refused(409, 'stale_epoch', { fence_epoch: state.fenceEpoch })
  if (fenceEpoch > state.fenceEpoch) append({ t: 'epoch', epoch: fenceEpoch })
}

/** The answer to a recall that was made before, or a refusal (thrown), or nothing. */
export function settleRecall(state, append, { read, digest, fenceEpoch }) {
  if (fenceEpoch !== undefined) meetFence(state, append, fenceEpoch)
  const earlier = state.recalls.get(read.key)
  if (!earlier) return undefined
  if (earlier.digest !== digest) throw new Refused(422, 'key_reused')
  return { status: 200, headers: { 'idempotent-replayed': 'true' }, body: earlier.answer }
}

/** Remembers a recall. Of a key that was never seen, so that a create which comes late is refused. */
export function acceptRecall(state, append, { read, digest }, orders) {
  const tombstone = !state.dispatches.has(read.recalls)
  const answer = { key: read.key, recalls: read.recalls, tombstone, orders }
  append({ t: 'recall', digest, answer })
  return { status: 200, body: answer }
}

/** What became of a key. */
export function lookUp(state, key) {
  if (state.recalledKeys.has(key)) throw new Refused(410, 'recalled')
  const known = state.dispatches.get(key)
  if (!known) throw new Refused(404, 'dispatch_unknown')
  return { status: 200, body: { ...echo(known), state: stateOf(known), sequence: known.sequence } }
}

/** A page of what is remembered, by sequence; probes have none. */
export function list(state, query) {
  const after = Number(query.get('after_sequence') ?? '0')
  const limit = Number(query.get('limit') ?? '100')
  if (!Number.isSafeInteger(after) || !Number.isSafeInteger(limit) || limit < 1 || limit > 1_000)
    throw new Refused(400, 'query_invalid')
  const all = [...state.dispatches.values()]
    .filter((one) => one.sequence > after)
    .toSorted((a, b) => a.sequence - b.sequence)
  let end = Math.min(limit, all.length)
  // A page never ends between two of one sequence, or the cursor would skip one.
  while (end < all.length && all[end].sequence === all[end - 1].sequence) end += 1
  const dispatches = all.slice(0, end).map((one) => {
    const { key, content_sha256, batch, revision, sequence, accepted_at } = one
    return { key, state: stateOf(one), content_sha256, batch, revision, sequence, accepted_at }
  })
  const next = end < all.length ? dispatches.at(-1).sequence : null
  return { status: 200, body: { dispatches, next_after_sequence: next } }
}

function stateOf({ recalled, orders }) {
  if (orders.length === 0) return 'rejected'
  if (recalled.size === 0) return 'accepted'
  return recalled.size === orders.length ? 'recalled' : 'recall_partial'
}

const echo = ({ key, content_sha256, orders, rejected }) => ({
  key,
  content_sha256,
  accepted: orders.map((one) => one.fulfillment_id),
  rejected,
})

import type { Strike } from './faults.ts'
import type { Append } from './ledger.ts'
import type { Handling } from './ledger-record.ts'
import type { DispatchEntry, LedgerState } from './ledger-state.ts'
import { json, problem } from './problem.ts'
import type { Answer } from './problem.ts'
import type { PartnerProfile } from './profile.ts'
import type { Dispatch } from './read-dispatch.ts'

/** How a judged dispatch is taken: its fence, what the partner can do, and what it does wrongly. */
export type Terms = {
  readonly fenceEpoch: number
  readonly profile: PartnerProfile
  readonly strike: Strike
  readonly now: Date
}

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
  const { profile, strike } = terms
  const isProbe = dispatch.probe === true
  // A probe neither meets the fence nor moves it: whoever probes need not know our epoch.
  if (!isProbe && profile.dedupe) {
    if (terms.fenceEpoch < state.fenceEpoch) return staleEpoch(state)
    if (terms.fenceEpoch > state.fenceEpoch) append({ t: 'epoch', epoch: terms.fenceEpoch })
  }
  const failed = storedFailure(state, append, dispatch, strike)
  if (failed) return failed
  if (profile.dedupe && strike.isDeduped) {
    const settled = settledAnswer(state, append, dispatch, terms)
    if (settled) return settled
  }
  acceptAnew(state, append, dispatch, terms)
  const status = profile.processing_delay_ms > 0 ? 202 : 201
  return json(status, echo(state.dispatches.at(-1)), statedTerms(profile))
}

/** 409: the definite "no effect" that tells a restored sender to reconcile first. */
export function staleEpoch(state: LedgerState): Answer {
  return problem('stale_epoch', `fence epoch ${state.fenceEpoch} was seen`, {
    fence_epoch: state.fenceEpoch,
  })
}

// Stripe v1 stores a 500 under the key and replays it: the same key can never succeed.
function storedFailure(
  state: LedgerState,
  append: Append,
  { key }: Dispatch,
  { fault, value = 500 }: Strike,
): Answer | undefined {
  const stored = state.poisoned.get(key)
  if (stored === undefined && fault !== 'poison') return undefined
  if (stored === undefined) append({ t: 'poisoned', key, status: value })
  const status = stored ?? value
  const headers: Answer['headers'] = stored === undefined ? {} : { 'idempotent-replayed': 'true' }
  return json(status, { status, code: 'fault' }, headers)
}

function settledAnswer(
  state: LedgerState,
  append: Append,
  dispatch: Dispatch,
  { profile, now }: Terms,
): Answer | undefined {
  const isKept = (entry: DispatchEntry | undefined): entry is DispatchEntry =>
    entry !== undefined &&
    (profile.key_ttl_ms === null ||
      now.getTime() - Date.parse(entry.acceptedAt) < profile.key_ttl_ms)
  if (state.recalledKeys.has(dispatch.key)) return problem('recalled')
  const known = state.newestByKey.get(dispatch.key)
  if (isKept(known)) {
    if (known.contentSha256 !== dispatch.content_sha256) return problem('key_reused')
    append({ t: 'replay', key: dispatch.key })
    const headers = { 'idempotent-replayed': 'true', ...statedTerms(profile) }
    return json(200, echo(known), headers)
  }
  const highest = state.revisions.get(dispatch.batch) ?? 0
  if (dispatch.revision < highest)
    return problem('stale_revision', `revision ${highest} of ${dispatch.batch} was seen`)
  if (!profile.order_keys) return undefined
  for (const { order_key } of dispatch.orders) {
    const holder = state.liveOrderKeys.get(order_key)
    if (isKept(holder))
      return problem('order_key_live', undefined, { order_key, live_under: holder.key })
  }
  return undefined
}

function acceptAnew(
  state: LedgerState,
  append: Append,
  dispatch: Dispatch,
  { strike, now }: Terms,
): void {
  const { fault, value = 1, code = 'out_of_stock', retriable = true } = strike
  const refused = fault === 'reject_orders' ? dispatch.orders.slice(0, value) : []
  const handling = handlingOf(strike)
  append({
    t: 'accepted',
    at: now.toISOString(),
    key: dispatch.key,
    content_sha256: dispatch.content_sha256,
    batch: dispatch.batch,
    revision: dispatch.revision,
    sequence: dispatch.sequence,
    event: state.nextEvent,
    first: state.nextFulfillment,
    orders: dispatch.orders.slice(refused.length).map((order) => ({
      fulfillment_id: order.fulfillment_id,
      order_key: order.order_key,
      lines: order.lines.map(({ line_id, sku, qty }) => ({ line_id, sku, qty })),
    })),
    ...(refused.length > 0
      ? { rejected: refused.map((one) => ({ id: one.fulfillment_id, code, retriable })) }
      : {}),
    ...(handling ? { handling } : {}),
    ...(dispatch.probe === true ? { probe: true } : {}),
  })
}

function handlingOf({ fault, value = 1 }: Strike): Handling | undefined {
  if (fault !== 'short_ship' && fault !== 'double_ship' && fault !== 'ship_recalled')
    return undefined
  return { kind: fault, units: Math.max(1, value) }
}

/** What a partner says of itself beside every acceptance; a claim can only lower its grade. */
function statedTerms(profile: PartnerProfile): Answer['headers'] {
  const { key_ttl_ms: ttlMs, processing_delay_ms: delayMs } = profile
  return {
    ...(profile.dedupe && ttlMs !== null
      ? { 'holdfast-key-ttl': String(Math.floor(ttlMs / 1_000)) }
      : {}),
    ...(delayMs > 0 ? { 'holdfast-processing-delay': String(Math.ceil(delayMs / 1_000)) } : {}),
  }
}

/** The echo that alone counts as success (HDP/1 §1.3). */
function echo(entry: DispatchEntry | undefined) {
  return {
    key: entry?.key,
    content_sha256: entry?.contentSha256,
    accepted: entry?.fulfillments.map((one) => one.id),
    rejected: entry?.rejected,
  }
}

import type { DispatchEntry, LedgerState } from './ledger-state.ts'
import { json, problem } from './problem.ts'
import type { Answer } from './problem.ts'

const LIMIT_MAX = 1_000

/** Where a dispatch stands, as partners call it. */
export type DispatchState = 'accepted' | 'in_progress' | 'shipped' | 'recall_partial' | 'recalled'

/** The state of an accepted dispatch; a shipment beats a partial recall of the rest. */
export function dispatchState(entry: DispatchEntry): DispatchState {
  const recalled = entry.fulfillments.filter((one) => one.recalledAt !== null).length
  if (recalled === entry.fulfillments.length) return 'recalled'
  if (recalled > 0) return 'recall_partial'
  if (entry.shippedAt !== null) return 'shipped'
  return entry.isTold ? 'in_progress' : 'accepted'
}

/** `GET /dispatches/{key}`: what resolves an unknown outcome. 404 never seen, 410 recalled. */
export function lookUpDispatch(state: LedgerState, key: string): Answer {
  if (state.recalledKeys.has(key)) return problem('recalled', undefined, { key })
  const entry = state.byKey.get(key)
  if (!entry) return problem('dispatch_unknown', undefined, { key })
  return json(200, {
    key,
    state: dispatchState(entry),
    content_sha256: entry.contentSha256,
    accepted: entry.fulfillments.map((one) => one.id),
    rejected: [],
    sequence: entry.sequence,
  })
}

/**
 * `GET /dispatches?after_sequence=&limit=`: acceptances by the dispatcher's sequence. A page never
 * ends between two of one sequence, so that a cursor cannot skip one.
 */
export function listDispatches(state: LedgerState, query: URLSearchParams): Answer {
  const after = wholeNumber(query.get('after_sequence') ?? '0')
  const limit = wholeNumber(query.get('limit') ?? '100')
  if (after === undefined) return problem('query_invalid', 'after_sequence is not a whole number')
  if (limit === undefined || limit < 1 || limit > LIMIT_MAX)
    return problem('query_invalid', `limit is not 1 to ${LIMIT_MAX}`)
  const all = state.bySequence
  const from = firstAfter(all, after)
  let to = Math.min(from + limit, all.length)
  while (to < all.length && all[to]?.sequence === all[to - 1]?.sequence) to += 1
  const page = all.slice(from, to)
  return json(200, {
    dispatches: page.map((entry) => ({
      key: entry.key,
      state: dispatchState(entry),
      content_sha256: entry.contentSha256,
      batch: entry.batch,
      revision: entry.revision,
      sequence: entry.sequence,
      accepted_at: entry.acceptedAt,
    })),
    next_after_sequence: to < all.length ? (page.at(-1)?.sequence ?? null) : null,
  })
}

function firstAfter(sorted: readonly DispatchEntry[], sequence: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle]?.sequence ?? 0) <= sequence) low = middle + 1
    else high = middle
  }
  return low
}

function wholeNumber(text: string): number | undefined {
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined
}

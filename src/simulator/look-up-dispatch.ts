import type { DispatchEntry, LedgerState } from './ledger-state.ts'
import { json, problem } from './problem.ts'
import type { Answer } from './problem.ts'
import { shipmentsOf } from './ship-dispatch.ts'
import type { PartnerName } from './shipment.ts'
import type { Ledger } from './ledger.ts'

const LIMIT_MAX = 1_000

/** Where a dispatch stands, as partners call it. */
export type DispatchState =
  | 'accepted'
  | 'in_progress'
  | 'shipped'
  | 'recall_partial'
  | 'recalled'
  | 'rejected'

/** The state of an accepted dispatch; a shipment beats a partial recall of the rest. */
export function dispatchState(entry: DispatchEntry): DispatchState {
  if (entry.fulfillments.length === 0) return 'rejected'
  const recalled = entry.fulfillments.filter((one) => one.recalledAt !== null).length
  if (recalled === entry.fulfillments.length) return 'recalled'
  if (recalled > 0) return 'recall_partial'
  if (entry.shippedAt !== null) return 'shipped'
  return entry.isTold ? 'in_progress' : 'accepted'
}

/**
 * `GET /dispatches/{key}`: what resolves an unknown outcome. 404 never seen, 410 recalled. What was
 * accepted at or after `hiddenFrom` is not seen yet.
 */
export function lookUpDispatch(state: LedgerState, key: string, hiddenFrom: Date): Answer {
  if (state.recalledKeys.has(key)) return problem('recalled', undefined, { key })
  const entry = state.byKey.get(key)
  if (!entry || isHidden(entry, hiddenFrom)) return problem('dispatch_unknown', undefined, { key })
  return json(200, {
    key,
    state: dispatchState(entry),
    content_sha256: entry.contentSha256,
    accepted: entry.fulfillments.map((one) => one.id),
    rejected: entry.rejected,
    sequence: entry.sequence,
  })
}

/**
 * `GET /dispatches?after_sequence=&limit=`: acceptances by the dispatcher's sequence. A page never
 * ends between two of one sequence, so that a cursor cannot skip one.
 */
export function listDispatches(
  state: LedgerState,
  query: URLSearchParams,
  hiddenFrom: Date,
): Answer {
  const asked = readPage(query, 'after_sequence')
  if ('answer' in asked) return asked.answer
  const all = state.bySequence
  const from = firstAfter(all, asked.after)
  let to = Math.min(from + asked.limit, all.length)
  while (to < all.length && all[to]?.sequence === all[to - 1]?.sequence) to += 1
  const page = all.slice(from, to)
  return json(200, {
    dispatches: page
      .filter((entry) => !isHidden(entry, hiddenFrom))
      .map((entry) => ({
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

/**
 * `GET /shipments?after=&limit=`: every parcel by the sequence of its event, the same as the event
 * says. A page holds whole events, so it may be longer than `limit`.
 */
export async function listShipments(
  ledger: Ledger,
  partner: PartnerName,
  query: URLSearchParams,
): Promise<Answer> {
  const asked = readPage(query, 'after')
  if ('answer' in asked) return asked.answer
  const all = ledger.state.shippedEvents.filter((one) => one.dispatch.forgottenAt === null)
  const from = firstAfter(all, asked.after)
  const shipments = []
  let to = from
  for (; to < all.length && shipments.length < asked.limit; to += 1) {
    const event = all[to]
    if (!event) break
    for (const shipment of await shipmentsOf(ledger, partner, event))
      shipments.push({
        sequence: event.sequence,
        occurred_at: event.at,
        dispatch_key: event.dispatch.key,
        ...shipment,
      })
  }
  const last = shipments.at(-1)?.sequence
  return json(200, { shipments, next_after: to < all.length ? (last ?? null) : null })
}

const isHidden = (entry: DispatchEntry, from: Date): boolean =>
  Date.parse(entry.acceptedAt) > from.getTime()

function readPage(
  query: URLSearchParams,
  cursor: string,
): { after: number; limit: number } | { answer: Answer } {
  const after = wholeNumber(query.get(cursor) ?? '0')
  const limit = wholeNumber(query.get('limit') ?? '100')
  if (after === undefined)
    return { answer: problem('query_invalid', `${cursor} is not a whole number`) }
  if (limit === undefined || limit < 1 || limit > LIMIT_MAX)
    return { answer: problem('query_invalid', `limit is not 1 to ${LIMIT_MAX}`) }
  return { after, limit }
}

function firstAfter(sorted: readonly { readonly sequence: number }[], sequence: number): number {
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

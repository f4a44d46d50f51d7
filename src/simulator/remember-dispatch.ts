import type { DispatchEntry, FulfillmentEntry, LedgerState } from './ledger-state.ts'

/** Puts an acceptance where the protocol finds it: by key, by sequence, by batch and by order. */
export function remember(state: LedgerState, entry: DispatchEntry): void {
  // Without dedupe one key is accepted again; lookups keep answering with the first.
  if (!state.byKey.has(entry.key)) state.byKey.set(entry.key, entry)
  state.newestByKey.set(entry.key, entry)
  if (!entry.isProbe) insertBySequence(state.bySequence, entry)
  const revision = state.revisions.get(entry.batch) ?? 0
  state.revisions.set(entry.batch, Math.max(revision, entry.revision))
  for (const one of entry.fulfillments) {
    if (one.recalledAt === null) state.liveOrderKeys.set(one.orderKey, entry)
  }
}

/** One more acceptance of a fulfillment, as the judge counts. */
export function count(state: LedgerState, one: FulfillmentEntry): void {
  const counted = state.acceptances.get(one.id) ?? { total: 0, live: 0 }
  state.totals.accepted += 1
  counted.total += 1
  counted.live += 1
  if (counted.live === 2) state.totals.duplicates += 1
  state.acceptances.set(one.id, counted)
  state.totals.units += one.units
}

/** One acceptance of a fulfillment is off the books: it was recalled, or lost before it shipped. */
export function uncount(state: LedgerState, id: string): void {
  const counted = state.acceptances.get(id)
  if (!counted) return
  counted.live -= 1
  if (counted.live === 1) state.totals.duplicates -= 1
}

// Nearly always an append; a late ghost walks back a few places.
function insertBySequence(sorted: DispatchEntry[], entry: DispatchEntry): void {
  let place = sorted.length
  while (place > 0 && (sorted[place - 1]?.sequence ?? 0) > entry.sequence) place -= 1
  sorted.splice(place, 0, entry)
}

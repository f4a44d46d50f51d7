import type { RestoredRecord } from './ledger-record.ts'
import type { DispatchEntry, LedgerState } from './ledger-state.ts'
import { remember, uncount } from './remember-dispatch.ts'

/**
 * Rolls back what the protocol shows to before the last `forgot` acceptances, as a restored backup
 * does: keys, sequences, live orders, tombstones and events of that time are gone. What the judge
 * reads stays, marked, and goods that left have left.
 */
export function forgetAcceptances(state: LedgerState, record: RestoredRecord): void {
  const remembered = state.dispatches.filter((one) => one.forgottenAt === null)
  const lost = remembered.slice(-record.forgot)
  const cut = lost[0]?.ordinal
  if (cut === undefined) return
  for (const entry of lost) forget(state, entry, record.at)
  for (const index of [state.byKey, state.newestByKey, state.revisions, state.liveOrderKeys])
    index.clear()
  state.bySequence.length = 0
  state.recalledKeys.clear()
  for (const entry of remembered.slice(0, remembered.length - lost.length)) {
    remember(state, entry)
    if (isWhollyRecalled(entry)) state.recalledKeys.add(entry.key)
  }
  for (const [key, recall] of state.recalls) {
    if (recall.ordinal > cut) state.recalls.delete(key)
    else if (recall.record.tombstone) state.recalledKeys.add(recall.record.key)
  }
}

function forget(state: LedgerState, entry: DispatchEntry, at: string): void {
  entry.forgottenAt = at
  state.totals.forgotten += 1
  for (const [sequence, event] of state.pendingEvents) {
    if (event.dispatch === entry) state.pendingEvents.delete(sequence)
  }
  if (entry.isProbe) return
  for (const one of entry.fulfillments) {
    // What nobody remembers is never picked: it is a duplicate no more.
    if (one.shippedAt === null && one.recalledAt === null) uncount(state, one.id)
  }
}

function isWhollyRecalled(entry: DispatchEntry): boolean {
  const { fulfillments } = entry
  return fulfillments.length > 0 && fulfillments.every((one) => one.recalledAt !== null)
}

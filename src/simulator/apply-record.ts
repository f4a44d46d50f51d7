import { invariant } from '#kernel/index.ts'
import { forgetAcceptances } from './forget-acceptances.ts'
import type { AcceptedRecord, LedgerRecord, RecallRecord } from './ledger-record.ts'
import type { DispatchEntry, LedgerState, Span } from './ledger-state.ts'
import { count, remember, uncount } from './remember-dispatch.ts'

/** Applies one record, whether just decided or read back at start: there is no second way to a state. */
export function applyRecord(state: LedgerState, record: LedgerRecord, span: Span): void {
  state.ordinal += 1
  switch (record.t) {
    case 'ledger':
      state.ledgerId = record.id
      return
    case 'accepted':
      applyAccepted(state, record, span)
      return
    case 'recall':
      applyRecall(state, record)
      return
    case 'shipped':
      applyShipped(state, record)
      return
    case 'epoch':
      state.fenceEpoch = record.epoch
      return
    case 'replay':
      state.totals.replays += 1
      return
    case 'told':
      applyTold(state, record.event)
      return
    case 'poisoned':
      state.poisoned.set(record.key, record.status)
      return
    case 'restored':
      forgetAcceptances(state, record)
  }
}

function applyAccepted(state: LedgerState, record: AcceptedRecord, span: Span): void {
  const entry = entryOf(state, record, span)
  state.dispatches.push(entry)
  remember(state, entry)
  state.nextFulfillment = record.first + record.orders.length
  if (entry.isProbe) {
    state.totals.probes += 1
    return
  }
  for (const one of entry.fulfillments) count(state, one)
  // A dispatch whose every order was refused is nothing to tell of.
  if (entry.fulfillments.length === 0) return
  state.nextEvent = record.event + 1
  state.pendingEvents.set(record.event, { sequence: record.event, at: record.at, dispatch: entry })
}

function entryOf(state: LedgerState, record: AcceptedRecord, span: Span): DispatchEntry {
  return {
    number: state.dispatches.length + 1,
    span,
    key: record.key,
    contentSha256: record.content_sha256,
    batch: record.batch,
    revision: record.revision,
    sequence: record.sequence,
    acceptedAt: record.at,
    fulfillments: record.orders.map((order, index) => ({
      number: record.first + index,
      id: order.fulfillment_id,
      orderKey: order.order_key,
      units: order.lines.reduce((sum, line) => sum + line.qty, 0),
      recalledAt: null,
      shippedAt: null,
    })),
    rejected: record.rejected ?? [],
    handling: record.handling,
    isProbe: record.probe === true,
    ordinal: state.ordinal,
    forgottenAt: null,
    isTold: false,
    shippedAt: null,
    shippedEvents: [],
  }
}

function applyRecall(state: LedgerState, record: RecallRecord): void {
  state.recalls.set(record.recall_key, { record, ordinal: state.ordinal })
  if (record.tombstone) {
    if (!state.recalledKeys.has(record.key)) state.totals.tombstones += 1
    state.recalledKeys.add(record.key)
    return
  }
  const entry = state.byKey.get(record.key)
  invariant(entry, 'a recall without a tombstone names an accepted dispatch')
  const recalled = new Set(
    record.outcomes.filter((one) => one.outcome === 'recalled').map((one) => one.order_key),
  )
  for (const one of entry.fulfillments) {
    if (!recalled.has(one.orderKey) || one.recalledAt !== null) continue
    one.recalledAt = record.at
    if (state.liveOrderKeys.get(one.orderKey) === entry) state.liveOrderKeys.delete(one.orderKey)
    if (entry.isProbe) continue
    state.totals.recalled += 1
    uncount(state, one.id)
  }
  if (entry.fulfillments.every((one) => one.recalledAt !== null)) state.recalledKeys.add(entry.key)
}

function applyShipped(state: LedgerState, record: LedgerRecord & { t: 'shipped' }): void {
  const dispatch = state.dispatches[record.dispatch - 1]
  invariant(dispatch, 'what ships was accepted')
  dispatch.shippedAt = record.at
  const fulfillments = new Set(record.fulfillments)
  for (const one of dispatch.fulfillments) {
    if (fulfillments.has(one.number)) one.shippedAt = record.at
  }
  state.totals.shipped += fulfillments.size
  state.nextEvent = record.event + record.events
  for (let index = 0; index < record.events; index += 1) {
    const sequence = record.event + index
    const event = { sequence, at: record.at, dispatch, part: { index, fulfillments } }
    state.pendingEvents.set(sequence, event)
    dispatch.shippedEvents.push(event)
    state.shippedEvents.push(event)
  }
}

function applyTold(state: LedgerState, sequence: number): void {
  const event = state.pendingEvents.get(sequence)
  invariant(event, 'an event is delivered once')
  state.pendingEvents.delete(sequence)
  state.totals.eventsDelivered += 1
  if (!event.part) event.dispatch.isTold = true
}

import { invariant } from '#kernel/index.ts'
import type { AcceptedRecord, LedgerRecord, RecallRecord } from './ledger-record.ts'

/** Where a record stands in the file, in bytes. */
export type Span = { readonly offset: number; readonly length: number }

/** An accepted dispatch. Its lines stay in the file at `span`, so that memory grows by ids alone. */
export type DispatchEntry = {
  readonly number: number
  readonly span: Span
  readonly key: string
  readonly contentSha256: string
  readonly batch: string
  readonly revision: number
  readonly sequence: number
  readonly acceptedAt: string
  readonly fulfillments: readonly FulfillmentEntry[]
  /** True once Holdfast has taken the `dispatch.accepted` event: picking begins. */
  isTold: boolean
  shippedAt: string | null
}

/** One accepted fulfillment: one row of `GET /ledger`. */
export type FulfillmentEntry = {
  readonly number: number
  readonly id: string
  readonly orderKey: string
  readonly units: number
  recalledAt: string | null
}

/** An event that Holdfast has not taken yet. `part` is absent for the acceptance. */
export type PendingEvent = {
  readonly sequence: number
  readonly at: string
  readonly dispatch: DispatchEntry
  readonly part?: { readonly index: number; readonly fulfillments: ReadonlySet<number> }
}

/** The fold of a ledger file. Only `applyRecord` writes to it. */
export type LedgerState = {
  ledgerId: string
  readonly dispatches: DispatchEntry[]
  readonly byKey: Map<string, DispatchEntry>
  /** Dispatches in order of their sealed sequence, for the manifest. */
  readonly bySequence: DispatchEntry[]
  readonly liveOrderKeys: Map<string, DispatchEntry>
  readonly revisions: Map<string, number>
  readonly recalledKeys: Set<string>
  readonly recalls: Map<string, RecallRecord>
  /** Per fulfillment id: how often accepted, and how many of those are not recalled. */
  readonly acceptances: Map<string, { total: number; live: number }>
  readonly pendingEvents: Map<number, PendingEvent>
  fenceEpoch: number
  nextEvent: number
  nextFulfillment: number
  readonly totals: {
    units: number
    replays: number
    shipped: number
    recalled: number
    tombstones: number
    duplicates: number
    eventsDelivered: number
  }
}

/** A ledger without a line. */
export function emptyState(): LedgerState {
  return {
    ledgerId: '',
    dispatches: [],
    byKey: new Map(),
    bySequence: [],
    liveOrderKeys: new Map(),
    revisions: new Map(),
    recalledKeys: new Set(),
    recalls: new Map(),
    acceptances: new Map(),
    pendingEvents: new Map(),
    fenceEpoch: 0,
    nextEvent: 1,
    nextFulfillment: 1,
    totals: {
      units: 0,
      replays: 0,
      shipped: 0,
      recalled: 0,
      tombstones: 0,
      duplicates: 0,
      eventsDelivered: 0,
    },
  }
}

/** Applies one record, whether just decided or read back at start: there is no second way to a state. */
export function applyRecord(state: LedgerState, record: LedgerRecord, span: Span): void {
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
  }
}

function applyAccepted(state: LedgerState, record: AcceptedRecord, span: Span): void {
  const entry: DispatchEntry = {
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
    })),
    isTold: false,
    shippedAt: null,
  }
  state.dispatches.push(entry)
  // Without dedupe one key is accepted again; lookups keep answering with the first.
  if (!state.byKey.has(entry.key)) state.byKey.set(entry.key, entry)
  insertBySequence(state.bySequence, entry)
  const revision = state.revisions.get(entry.batch) ?? 0
  state.revisions.set(entry.batch, Math.max(revision, entry.revision))
  for (const one of entry.fulfillments) admit(state, entry, one)
  state.nextFulfillment = record.first + record.orders.length
  state.nextEvent = record.event + 1
  state.pendingEvents.set(record.event, { sequence: record.event, at: record.at, dispatch: entry })
}

function admit(state: LedgerState, entry: DispatchEntry, one: FulfillmentEntry): void {
  if (!state.liveOrderKeys.has(one.orderKey)) state.liveOrderKeys.set(one.orderKey, entry)
  const count = state.acceptances.get(one.id) ?? { total: 0, live: 0 }
  count.total += 1
  count.live += 1
  if (count.live === 2) state.totals.duplicates += 1
  state.acceptances.set(one.id, count)
  state.totals.units += one.units
}

function applyRecall(state: LedgerState, record: RecallRecord): void {
  state.recalls.set(record.recall_key, record)
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
    state.liveOrderKeys.delete(one.orderKey)
    state.totals.recalled += 1
    const count = state.acceptances.get(one.id)
    if (!count) continue
    count.live -= 1
    if (count.live === 1) state.totals.duplicates -= 1
  }
  if (entry.fulfillments.every((one) => one.recalledAt !== null)) state.recalledKeys.add(entry.key)
}

function applyShipped(state: LedgerState, record: LedgerRecord & { t: 'shipped' }): void {
  const dispatch = state.dispatches[record.dispatch - 1]
  invariant(dispatch, 'what ships was accepted')
  dispatch.shippedAt = record.at
  const fulfillments = new Set(record.fulfillments)
  state.totals.shipped += fulfillments.size
  state.nextEvent = record.event + record.events
  for (let index = 0; index < record.events; index += 1) {
    const sequence = record.event + index
    const part = { index, fulfillments }
    state.pendingEvents.set(sequence, { sequence, at: record.at, dispatch, part })
  }
}

function applyTold(state: LedgerState, sequence: number): void {
  const event = state.pendingEvents.get(sequence)
  invariant(event, 'an event is delivered once')
  state.pendingEvents.delete(sequence)
  state.totals.eventsDelivered += 1
  if (!event.part) event.dispatch.isTold = true
}

// Nearly always an append; a late ghost walks back a few places.
function insertBySequence(sorted: DispatchEntry[], entry: DispatchEntry): void {
  let place = sorted.length
  while (place > 0 && (sorted[place - 1]?.sequence ?? 0) > entry.sequence) place -= 1
  sorted.splice(place, 0, entry)
}

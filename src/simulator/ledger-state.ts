import type { Handling, RecallRecord, RejectedOrder } from './ledger-record.ts'

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
  readonly rejected: readonly RejectedOrder[]
  readonly handling: Handling | undefined
  readonly isProbe: boolean
  /** Its place among all records. */
  readonly ordinal: number
  /** Set where a restore has lost it: the protocol does not know it any more, the judge does. */
  forgottenAt: string | null
  /** True once Holdfast has taken the `dispatch.accepted` event: picking begins. */
  isTold: boolean
  shippedAt: string | null
  /** The events of its shipments, in order; empty until it ships. */
  readonly shippedEvents: ShippedEvent[]
}

/** One accepted fulfillment: one row of `GET /ledger`. */
export type FulfillmentEntry = {
  readonly number: number
  readonly id: string
  readonly orderKey: string
  readonly units: number
  recalledAt: string | null
  shippedAt: string | null
}

/** One event of shipments: the parcels of `fulfillments`, in the `index`-th event of its dispatch. */
export type ShipmentPart = {
  readonly index: number
  readonly fulfillments: ReadonlySet<number>
}

/** An event that Holdfast has not taken yet. `part` is absent for the acceptance. */
export type PendingEvent = {
  readonly sequence: number
  readonly at: string
  readonly dispatch: DispatchEntry
  readonly part?: ShipmentPart
}

/** An event of shipments, taken or not. */
export type ShippedEvent = PendingEvent & { readonly part: ShipmentPart }

/** The fold of a ledger file. Only `applyRecord` writes to it. */
export type LedgerState = {
  ledgerId: string
  readonly dispatches: DispatchEntry[]
  /** The first acceptance of each key: what a look-up answers with. */
  readonly byKey: Map<string, DispatchEntry>
  /** The newest acceptance of each key: what a key with a lifetime is judged by. */
  readonly newestByKey: Map<string, DispatchEntry>
  /** Dispatches in order of their sealed sequence, for the manifest. */
  readonly bySequence: DispatchEntry[]
  readonly liveOrderKeys: Map<string, DispatchEntry>
  readonly revisions: Map<string, number>
  readonly recalledKeys: Set<string>
  readonly recalls: Map<string, { readonly record: RecallRecord; readonly ordinal: number }>
  /** Keys whose stored failure is replayed for ever, with its status. */
  readonly poisoned: Map<string, number>
  /** Every event of shipments, by its sequence. */
  readonly shippedEvents: ShippedEvent[]
  /** Per fulfillment id: how often accepted, and how many of those are not recalled. */
  readonly acceptances: Map<string, { total: number; live: number }>
  readonly pendingEvents: Map<number, PendingEvent>
  fenceEpoch: number
  ordinal: number
  nextEvent: number
  nextFulfillment: number
  readonly totals: {
    accepted: number
    units: number
    replays: number
    shipped: number
    recalled: number
    tombstones: number
    duplicates: number
    eventsDelivered: number
    probes: number
    forgotten: number
  }
}

/** A ledger without a line. */
export function emptyState(): LedgerState {
  return {
    ledgerId: '',
    dispatches: [],
    byKey: new Map(),
    newestByKey: new Map(),
    bySequence: [],
    liveOrderKeys: new Map(),
    revisions: new Map(),
    recalledKeys: new Set(),
    recalls: new Map(),
    poisoned: new Map(),
    shippedEvents: [],
    acceptances: new Map(),
    pendingEvents: new Map(),
    fenceEpoch: 0,
    ordinal: 0,
    nextEvent: 1,
    nextFulfillment: 1,
    totals: {
      accepted: 0,
      units: 0,
      replays: 0,
      shipped: 0,
      recalled: 0,
      tombstones: 0,
      duplicates: 0,
      eventsDelivered: 0,
      probes: 0,
      forgotten: 0,
    },
  }
}

import { z } from 'zod'

const ledgerLine = z.object({ line_id: z.string(), sku: z.string(), qty: z.int() })

const ledgerOrder = z.object({
  fulfillment_id: z.string(),
  order_key: z.string(),
  lines: z.array(ledgerLine),
})

const outcome = z.object({
  order_key: z.string(),
  outcome: z.enum(['recalled', 'too_late', 'in_progress', 'unknown_order']),
  tracking_number: z.string().optional(),
})

const rejected = z.object({ id: z.string(), code: z.string(), retriable: z.boolean() })

/** How the warehouse will handle the goods, where it will not do so rightly. */
const handling = z.object({
  kind: z.enum(['short_ship', 'double_ship', 'ship_recalled']),
  units: z.int().min(1),
})

const accepted = z.object({
  t: z.literal('accepted'),
  at: z.string(),
  key: z.string(),
  content_sha256: z.string(),
  batch: z.string(),
  revision: z.int(),
  /** The dispatcher's own sequence, as sealed in the body. */
  sequence: z.int(),
  /** The sequence of the `dispatch.accepted` event. */
  event: z.int(),
  /** The number of the first of its fulfillments in this ledger; they count on from it. */
  first: z.int(),
  orders: z.array(ledgerOrder),
  rejected: z.array(rejected).optional(),
  handling: handling.optional(),
  /** A no-op of a conformance probe: answered and remembered, never shipped, never told of. */
  probe: z.literal(true).optional(),
})

const recall = z.object({
  t: z.literal('recall'),
  at: z.string(),
  recall_key: z.string(),
  body_sha256: z.string(),
  key: z.string(),
  reason: z.string(),
  /** True where the key had never been seen: it can never be accepted from now on. */
  tombstone: z.boolean(),
  outcomes: z.array(outcome),
})

const shipped = z.object({
  t: z.literal('shipped'),
  at: z.string(),
  /** The number of the dispatch in this ledger. */
  dispatch: z.int(),
  /** The sequence of its first `shipment.shipped` event, and how many there are. */
  event: z.int(),
  events: z.int(),
  /** The numbers of the fulfillments that left; recalled ones did not. */
  fulfillments: z.array(z.int()),
})

/** An old backup was put back: the newest acceptances are forgotten, though they did happen. */
const restored = z.object({ t: z.literal('restored'), at: z.string(), forgot: z.int().min(1) })

const ledgerRecord = z.discriminatedUnion('t', [
  z.object({ t: z.literal('ledger'), v: z.literal(1), id: z.string(), partner: z.string() }),
  accepted,
  recall,
  shipped,
  z.object({ t: z.literal('epoch'), epoch: z.int() }),
  z.object({ t: z.literal('replay'), key: z.string() }),
  z.object({ t: z.literal('told'), event: z.int() }),
  z.object({ t: z.literal('poisoned'), key: z.string(), status: z.int() }),
  restored,
])

/** One line of a ledger file. Everything a partner knows is the fold of these. */
export type LedgerRecord = z.output<typeof ledgerRecord>
/** The acceptance of one dispatch. */
export type AcceptedRecord = z.output<typeof accepted>
/** The answer to one recall. */
export type RecallRecord = z.output<typeof recall>
/** The loss of the newest acceptances. */
export type RestoredRecord = z.output<typeof restored>
/** What the warehouse will do wrongly. */
export type Handling = z.output<typeof handling>
/** One order that was refused inside an accepted dispatch. */
export type RejectedOrder = z.output<typeof rejected>
/** One accepted order with what it ships. */
export type LedgerOrder = z.output<typeof ledgerOrder>

/** Reads a line; throws where it is not a record, because a ledger that lies must not be served. */
export function parseRecord(line: Buffer): LedgerRecord {
  return ledgerRecord.parse(JSON.parse(line.toString('utf8')))
}

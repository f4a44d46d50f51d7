import { accept, bytesEqual, refuse, RefusedError } from '#kernel/index.ts'
import type { Outcome, RefusalCode } from '#kernel/index.ts'
import { appendEvents, change, many, maybe, withTransaction } from '#platform/index.ts'
import type { Context, Transaction } from '#platform/index.ts'
import { listPartners } from '#partners/index.ts'
import { settleVerdict } from '#wire/index.ts'
import type { HandOverRecord, OpenedHandOver, ReviewKeys, SettledVerdict } from '#wire/index.ts'
import { lockGates, notifyWork } from '../fulfillment-statements.ts'
import { planFulfillments } from './plan-fulfillment.ts'
import type { PlannedFulfillment } from './plan-fulfillment.ts'
import {
  insertDecisions,
  insertFulfillments,
  insertHandOver,
  insertOrders,
  selectDecisionIds,
  selectDigests,
  selectHandOver,
  selectTombstones,
} from './receive-statements.ts'
import { settleOrders } from '../hold/settle-orders.ts'

/** What the receiver echoes; the sender compares every field. `holds` counts what was settled so. */
export type HandOverReceipt = {
  readonly id: string
  readonly digest: Buffer
  readonly records: number
  readonly orders: number
  readonly holds: number
  readonly clears: number
}

type Taken = {
  readonly receipt: HandOverReceipt
  readonly records: readonly HandOverRecord[]
  readonly verdicts: readonly SettledVerdict[]
  /** Each order revision once, as its first record brings it. */
  readonly orders: readonly HandOverRecord[]
  readonly planned: readonly PlannedFulfillment[]
  readonly provenance: string
}

/**
 * Takes a whole hand-over in one transaction, or nothing of it. The same id with the same digest
 * answers the same receipt. A CLEAR that its certificate does not prove is stored as a HOLD. Refused:
 * `handover_conflict`, `order_digest_mismatch`, `location_unknown`, `manifest_mismatch`.
 */
export async function receiveHandOver(
  context: Context,
  keys: ReviewKeys,
  opened: OpenedHandOver,
): Promise<Outcome<HandOverReceipt>> {
  if (opened.merchant !== context.merchant) {
    return refuse('manifest_mismatch', 'The batch is for another merchant.')
  }
  const { records } = opened
  const orders = firstOfEach(records)
  const partners = await listPartners(context.database, context.merchant)
  const partnerOf = new Map(partners.map((one) => [one.locationId, one.id]))
  const planned = planFulfillments(orders, partnerOf)
  if (!planned.ok) return planned
  const verdicts = records.map((record) => settleVerdict(record, keys))
  const clears = verdicts.filter((one) => one.kind === 'clear').length
  const receipt = {
    id: opened.batchId,
    digest: opened.digest,
    records: records.length,
    orders: orders.length,
    holds: records.length - clears,
    clears,
  }
  const { id: provenance } = await context.provenance()
  const taken = { receipt, records, verdicts, orders, planned: planned.value, provenance }
  try {
    return accept(
      await withTransaction(context.database, (tx) => takeAll(tx, context.merchant, taken)),
    )
  } catch (fault) {
    if (fault instanceof RefusedError) return { ok: false, refusal: fault.refusal }
    throw fault
  }
}

function firstOfEach(records: readonly HandOverRecord[]): readonly HandOverRecord[] {
  const first = new Map<string, HandOverRecord>()
  for (const one of records) {
    const name = `${one.orderId} ${one.revision}`
    if (!first.has(name)) first.set(name, one)
  }
  return [...first.values()]
}

async function takeAll(tx: Transaction, merchant: string, taken: Taken): Promise<HandOverReceipt> {
  const { receipt, provenance } = taken
  const inserted = await maybe(tx, insertHandOver, { merchant, ...receipt, provenance })
  if (!inserted) return replayedReceipt(tx, merchant, receipt)
  const ids = [...new Set(taken.orders.map((one) => one.orderId))].toSorted()
  await change(tx, lockGates, { merchant, orders: ids })
  await takeOrders(tx, merchant, taken.orders)
  await checkDigests(tx, merchant, ids, taken.records)
  await takeDecisions(tx, merchant, ids, taken)
  await makeFulfillments(tx, merchant, ids, taken.planned)
  const settled = await settleOrders(tx, merchant, ids)
  const { orders, records, holds } = receipt
  await appendEvents(tx, merchant, [
    {
      subjectId: receipt.id,
      kind: 'handover.received',
      data: { orders, records, holds, ...settled },
    },
  ])
  await many(tx, notifyWork, { topic: 'fulfillment' })
  return receipt
}

async function replayedReceipt(
  tx: Transaction,
  merchant: string,
  receipt: HandOverReceipt,
): Promise<HandOverReceipt> {
  const known = await maybe(tx, selectHandOver, { merchant, id: receipt.id })
  if (!known || !bytesEqual(known.digest, receipt.digest)) {
    return refused('handover_conflict', `Hand-over ${receipt.id} came before with other content.`)
  }
  return { id: receipt.id, ...known }
}

async function takeOrders(
  tx: Transaction,
  merchant: string,
  orders: readonly HandOverRecord[],
): Promise<void> {
  await change(tx, insertOrders, {
    merchant,
    ids: orders.map((one) => one.orderId),
    revisions: orders.map((one) => one.revision),
    digests: orders.map((one) => one.orderDigest),
    numbers: orders.map((one) => one.orderNumber),
    currencies: orders.map((one) => one.currency),
    addresses: orders.map((one) => JSON.stringify(one.shipTo)),
    lines: orders.map((one) => JSON.stringify(one.lines)),
    promises: orders.map((one) => instantOf(one.shipByMs)),
  })
}

const instantOf = (ms: number | null): Date | null => (ms === null ? null : new Date(ms))

/** Every record is about exactly the content that we hold of that revision, its promise included. */
async function checkDigests(
  tx: Transaction,
  merchant: string,
  orders: readonly string[],
  records: readonly HandOverRecord[],
): Promise<void> {
  const rows = await many(tx, selectDigests, { merchant, orders })
  const known = new Map(rows.map((row) => [`${row.order_id} ${row.revision}`, row]))
  for (const one of records) {
    const held = known.get(`${one.orderId} ${one.revision}`)
    const isSame =
      held !== undefined &&
      bytesEqual(held.order_digest, one.orderDigest) &&
      (held.ship_by?.getTime() ?? null) === one.shipByMs
    if (!isSame) {
      refused('order_digest_mismatch', `Order ${one.orderId} differs from the one held here.`)
    }
  }
}

async function takeDecisions(
  tx: Transaction,
  merchant: string,
  orders: readonly string[],
  { receipt, records, verdicts }: Taken,
): Promise<void> {
  const none = new Uint8Array()
  const approvals = records.map((one, index) =>
    verdicts[index]?.kind === 'clear' ? one.approval : none,
  )
  const reasons = records.map((one, index) => {
    const verdict = verdicts[index]
    return JSON.stringify(verdict?.kind === 'hold' ? verdict.reasons : one.reasons)
  })
  await many(tx, insertDecisions, {
    merchant,
    handover: receipt.id,
    orders: records.map((one) => one.orderId),
    numbers: records.map((one) => one.decisionNumber),
    ids: records.map((one) => one.decisionId),
    verdicts: verdicts.map((one) => one.kind),
    reasons,
    revisions: records.map((one) => one.revision),
    digests: records.map((one) => one.orderDigest),
    keys: records.map((one) => one.keyId),
    approvals,
    effective: records.map((one) => new Date(one.effectiveAtMs)),
  })
  const rows = await many(tx, selectDecisionIds, { merchant, orders })
  const known = new Map(rows.map((row) => [`${row.order_id} ${row.number}`, row.id]))
  for (const one of records) {
    if (known.get(`${one.orderId} ${one.decisionNumber}`) !== one.decisionId) {
      refused(
        'handover_conflict',
        `Decision ${one.decisionNumber} of ${one.orderId} is another one here.`,
      )
    }
  }
}

async function makeFulfillments(
  tx: Transaction,
  merchant: string,
  orders: readonly string[],
  planned: readonly PlannedFulfillment[],
): Promise<void> {
  const rows = await many(tx, selectTombstones, { merchant, orders })
  const withdrawn = new Map(rows.map((row) => [row.order_id, row.revision]))
  const made = await many(tx, insertFulfillments, {
    merchant,
    ids: planned.map((one) => one.id),
    orders: planned.map((one) => one.orderId),
    revisions: planned.map((one) => one.revision),
    partners: planned.map((one) => one.partnerId),
    locations: planned.map((one) => one.locationId),
    lines: planned.map((one) => JSON.stringify(one.lines)),
    promises: planned.map((one) => instantOf(one.shipByMs)),
    states: planned.map((one) =>
      one.revision <= (withdrawn.get(one.orderId) ?? 0) ? 'withdrawn' : 'held',
    ),
  })
  const events = made.map((row) => ({
    subjectId: row.id,
    kind: row.state === 'withdrawn' ? 'fulfillment.withdrawn' : 'fulfillment.made',
    data: { order_id: row.order_id },
  }))
  await appendEvents(tx, merchant, events)
}

// Thrown inside the transaction, so that a refused hand-over leaves nothing behind.
function refused(code: RefusalCode, detail: string): never {
  throw new RefusedError({ code, detail })
}

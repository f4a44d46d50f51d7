import { bytesEqual, canonicalJson, invariant, refuse, sha256 } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { appendEvents, change, many } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import { returnStock } from '#inventory/index.ts'
import { planReturn } from './plan-return.ts'
import type { ReturnableOrder, ReturnedGoods, ReturnPlan, UnmatchedReason } from './plan-return.ts'
import {
  ensureReturned,
  insertParts,
  insertReturns,
  lockReturned,
  lockReturns,
  selectLineStates,
  selectReturnable,
  takeBack,
  writeLines,
} from './return-statements.ts'

/** `restock`: whole, it lies in stock again. `damaged`: it came back and is no stock. */
export type ReturnCondition = 'restock' | 'damaged'

/** One line of a return; `refundMinor` is what was credited for all of its units. */
export type ReturnLine = ReturnedGoods & {
  readonly condition: ReturnCondition
  readonly refundMinor: number
}

/** A return as its merchant names it: `id` counts once. Money in minor units, times ISO 8601. */
export type NewReturn = {
  readonly id: string
  readonly returnedAt: string
  readonly customer: string | null
  readonly currency: string
  readonly note?: string | undefined
  readonly lines: readonly ReturnLine[]
  readonly charges: readonly {
    readonly code: string
    readonly qty: number
    readonly unit_price_minor: number
  }[]
}

/** How a return stands after the call: lines accepted now or before, and those that nothing explains. */
export type RecordedReturn = {
  readonly id: string
  readonly wasNew: boolean
  readonly acceptedNow: number
  readonly unmatched: readonly {
    readonly lineNo: number
    readonly sku: string
    readonly qty: number
    readonly reason: UnmatchedReason
  }[]
}

type Frame = {
  readonly merchant: string
  readonly actor: string
  readonly source: 'http' | 'cli' | 'import'
}
type Item = { readonly doc: NewReturn; readonly lineNo: number; readonly line: ReturnLine }
type Planned = Item & { readonly plan: ReturnPlan }

/**
 * Records returns in one transaction, each line once and never more than was shipped: what is
 * accepted goes against its order line, restocked units into the ledger, refunds into the row. What
 * nothing explains is kept as unmatched and tried again when the same return comes again. Refused,
 * one by one: `return_conflict` for other content under a known id.
 */
export async function recordReturns(
  tx: Transaction,
  frame: Frame,
  docs: readonly NewReturn[],
): Promise<readonly Outcome<RecordedReturn>[]> {
  const { merchant } = frame
  const fresh = await insertDocuments(tx, frame, docs)
  const ids = docs.map((doc) => doc.id)
  const contents = new Map(
    (await many(tx, lockReturns, { merchant, ids })).map((row) => [row.id, row.content_sha256]),
  )
  const isKnown = (doc: NewReturn): boolean =>
    bytesEqual(contents.get(doc.id) ?? Buffer.alloc(0), contentOf(doc))
  const accepted = new Set(
    (await many(tx, selectLineStates, { merchant, ids }))
      .filter((row) => row.state === 'accepted')
      .map((row) => `${row.return_id}\n${row.line_no}`),
  )
  const items = docs
    .filter(isKnown)
    .flatMap((doc) => doc.lines.map((line, index): Item => ({ doc, line, lineNo: index + 1 })))
    .filter((item) => !accepted.has(`${item.doc.id}\n${item.lineNo}`))
  const planned = await planAll(tx, merchant, items)
  await writeAll(tx, merchant, planned)
  const byDoc = Map.groupBy(planned, (one) => one.doc.id)
  await appendEvents(
    tx,
    merchant,
    docs.flatMap((doc) => eventOf(doc, byDoc.get(doc.id), fresh)),
  )
  return docs.map((doc) => {
    if (isKnown(doc)) return { ok: true, value: recordedOf(doc, byDoc.get(doc.id) ?? [], fresh) }
    return refuse('return_conflict', `Return ${doc.id} was recorded before with other content.`)
  })
}

async function insertDocuments(
  tx: Transaction,
  frame: Frame,
  docs: readonly NewReturn[],
): Promise<ReadonlySet<string>> {
  const rows = await many(tx, insertReturns, {
    ...frame,
    ids: docs.map((doc) => doc.id),
    contents: docs.map(contentOf),
    customers: docs.map((doc) => doc.customer ?? ''),
    currencies: docs.map((doc) => doc.currency),
    charges: docs.map((doc) => JSON.stringify(doc.charges)),
    charge_sums: docs.map((doc) =>
      doc.charges.reduce((sum, one) => sum + one.qty * one.unit_price_minor, 0),
    ),
    notes: docs.map((doc) => doc.note ?? ''),
    returned: docs.map((doc) => doc.returnedAt),
  })
  return new Set(rows.map((row) => row.id))
}

async function planAll(
  tx: Transaction,
  merchant: string,
  items: readonly Item[],
): Promise<readonly Planned[]> {
  const refs = [...new Set(items.flatMap(({ line }) => line.orderRef ?? []))]
  if (refs.length === 0) return items.map((item) => planOne(item, new Map()))
  const found = await many(tx, selectReturnable, { merchant, refs })
  const orders = [...new Set(found.map((row) => row.id))].toSorted()
  await change(tx, ensureReturned, { merchant, orders })
  const open = Map.groupBy(
    await many(tx, lockReturned, { merchant, orders }),
    (row) => row.order_id,
  )
  const byId = new Map<string, ReturnableOrder>()
  const byRef = new Map<string, ReturnableOrder>()
  for (const row of found) {
    const prices = new Map(row.lines.map((line) => [line.line, line.unit_price_minor]))
    const order = byId.get(row.id) ?? {
      id: row.id,
      currency: row.currency,
      skus: new Set(row.lines.map((line) => line.sku)),
      outstanding: (open.get(row.id) ?? []).map((one) => ({
        orderLine: one.order_line,
        locationId: one.location_id,
        sku: one.sku,
        unitPriceMinor: prices.get(one.order_line) ?? 0,
        open: one.open,
      })),
    }
    byId.set(row.id, order)
    byRef.set(row.ref, order)
  }
  return items.map((item) => planOne(item, byRef))
}

function planOne(item: Item, orders: ReadonlyMap<string, ReturnableOrder>): Planned {
  const { line, doc } = item
  return { ...item, plan: planReturn(line, orders.get(line.orderRef ?? ''), doc.currency) }
}

async function writeAll(
  tx: Transaction,
  merchant: string,
  planned: readonly Planned[],
): Promise<void> {
  if (planned.length === 0) return
  await change(tx, writeLines, {
    merchant,
    returns: planned.map((one) => one.doc.id),
    numbers: planned.map((one) => one.lineNo),
    skus: planned.map((one) => one.line.sku),
    units: planned.map((one) => one.line.qty),
    conditions: planned.map((one) => one.line.condition),
    prices: planned.map((one) => one.line.unitPriceMinor ?? -1),
    refunds: planned.map((one) => one.line.refundMinor),
    refs: planned.map((one) => one.line.orderRef ?? ''),
    order_lines: planned.map((one) => one.line.orderLine ?? 0),
    orders: planned.map((one) => one.plan.orderId ?? ''),
    reasons: planned.map((one) => (one.plan.kind === 'unmatched' ? one.plan.reason : '')),
  })
  const parts = planned.flatMap(({ doc, lineNo, line, plan }) =>
    plan.kind === 'accepted'
      ? plan.parts.map((part) => Object.assign({ returnId: doc.id, lineNo, line }, part))
      : [],
  )
  if (parts.length === 0) return
  await takeAllBack(tx, merchant, parts)
  await change(tx, insertParts, {
    merchant,
    returns: parts.map((part) => part.returnId),
    numbers: parts.map((part) => part.lineNo),
    orders: parts.map((part) => part.orderId),
    lines: parts.map((part) => part.orderLine),
    locations: parts.map((part) => part.locationId),
    skus: parts.map((part) => part.sku),
    units: parts.map((part) => part.qty),
  })
  const whole = parts.filter((part) => part.line.condition === 'restock')
  await returnStock(
    tx,
    merchant,
    whole.map(({ orderId, orderLine, locationId, sku, qty, returnId, lineNo }) => ({
      orderId,
      lineNo: orderLine,
      locationId,
      sku,
      qty,
      sourceId: `${returnId}#${lineNo}`,
    })),
  )
}

async function takeAllBack(
  tx: Transaction,
  merchant: string,
  parts: readonly { orderId: string; orderLine: number; locationId: string; qty: number }[],
): Promise<void> {
  const sums = new Map<
    string,
    { orderId: string; orderLine: number; locationId: string; qty: number }
  >()
  for (const { orderId, orderLine, locationId, qty } of parts) {
    const name = `${orderId}\n${orderLine}\n${locationId}`
    const before = sums.get(name)?.qty ?? 0
    sums.set(name, { orderId, orderLine, locationId, qty: before + qty })
  }
  const rows = [...sums.values()]
  const taken = await many(tx, takeBack, {
    merchant,
    orders: rows.map((row) => row.orderId),
    lines: rows.map((row) => row.orderLine),
    locations: rows.map((row) => row.locationId),
    units: rows.map((row) => row.qty),
  })
  // The counters were locked before the plan, so a guard that refuses here is a bug of ours.
  invariant(taken.length === rows.length, 'what is planned to come back was shipped')
}

function recordedOf(
  doc: NewReturn,
  planned: readonly Planned[],
  fresh: ReadonlySet<string>,
): RecordedReturn {
  return {
    id: doc.id,
    wasNew: fresh.has(doc.id),
    acceptedNow: planned.filter((one) => one.plan.kind === 'accepted').length,
    unmatched: planned.flatMap(({ plan, lineNo, line: { sku, qty } }) =>
      plan.kind === 'unmatched' ? [{ lineNo, sku, qty, reason: plan.reason }] : [],
    ),
  }
}

function eventOf(doc: NewReturn, planned: readonly Planned[] = [], fresh: ReadonlySet<string>) {
  const accepted = planned.filter((one) => one.plan.kind === 'accepted')
  if (!fresh.has(doc.id) && accepted.length === 0) return []
  const data = {
    accepted: accepted.length,
    unmatched: planned.length - accepted.length,
    refund_minor: accepted.reduce((sum, one) => sum + one.line.refundMinor, 0),
    currency: doc.currency,
    orders: [...new Set(accepted.flatMap((one) => one.plan.orderId ?? []))].slice(0, 20),
  }
  return [{ subjectId: doc.id, kind: 'return.recorded', data }]
}

// Not the time: a person who says it again without one means the same return.
const contentOf = (doc: NewReturn): Buffer =>
  sha256(
    canonicalJson({
      kind: 'return',
      currency: doc.currency,
      customer: doc.customer,
      lines: doc.lines.map((line) => ({ ...line })),
      charges: doc.charges.map((one) => ({ ...one })),
    }),
  )

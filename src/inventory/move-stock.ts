import { many, change, appendEvents } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import { insertMovements, moveStock, quarantineSkus } from './stock-statements.ts'

/** Kinds of ledger rows other than `reserve`, which only a sale writes. */
export type MovementKind = 'receive' | 'release' | 'issue' | 'return' | 'adjust' | 'count'

/** One fact: how many units it adds to the physical book and to what is reserved (both signed). */
export type Movement = {
  readonly subjectId: string
  readonly sourceId: string
  readonly lineNo: number
  readonly locationId: string
  readonly sku: string
  readonly kind: MovementKind
  readonly onHand: number
  readonly reserved: number
}

/**
 * Writes ledger rows and moves the counters with them. The caller holds the locks of `lockStock`.
 * A book that falls below zero raises `inventory.negative_stock` and quarantines that SKU.
 */
export async function applyMovements(
  tx: Transaction,
  merchant: string,
  movements: readonly Movement[],
): Promise<{ negativeSkus: readonly string[] }> {
  if (movements.length === 0) return { negativeSkus: [] }
  await change(tx, insertMovements, {
    merchant,
    subjects: movements.map((one) => one.subjectId),
    lines: movements.map((one) => one.lineNo),
    locations: movements.map((one) => one.locationId),
    kinds: movements.map((one) => one.kind),
    sources: movements.map((one) => one.sourceId),
    skus: movements.map((one) => one.sku),
    on_hand: movements.map((one) => one.onHand),
    reserved: movements.map((one) => one.reserved),
  })
  const totals = sumByRow(movements)
  const rows = await many(tx, moveStock, {
    merchant,
    skus: totals.map((row) => row.sku),
    locations: totals.map((row) => row.locationId),
    on_hand: totals.map((row) => row.onHand),
    reserved: totals.map((row) => row.reserved),
  })
  const negative = rows.filter((row) => row.on_hand < 0)
  const lowered = new Set(totals.filter((row) => row.onHand < 0).map((row) => row.sku))
  const raised = negative.filter((row) => lowered.has(row.sku))
  if (raised.length > 0) await quarantine(tx, merchant, raised)
  return { negativeSkus: [...new Set(raised.map((row) => row.sku))] }
}

async function quarantine(
  tx: Transaction,
  merchant: string,
  rows: readonly { sku: string; location_id: string; on_hand: number }[],
): Promise<void> {
  await change(tx, quarantineSkus, { merchant, skus: [...new Set(rows.map((row) => row.sku))] })
  await appendEvents(
    tx,
    merchant,
    rows.map((row) => ({
      subjectId: row.sku,
      kind: 'inventory.negative_stock',
      data: {
        error: 'NegativeStockError',
        sku: row.sku,
        location: row.location_id,
        on_hand: row.on_hand,
      },
    })),
  )
}

function sumByRow(
  movements: readonly Movement[],
): { sku: string; locationId: string; onHand: number; reserved: number }[] {
  const totals = new Map<
    string,
    { sku: string; locationId: string; onHand: number; reserved: number }
  >()
  for (const one of movements) {
    const key = `${one.sku}\n${one.locationId}`
    const total = totals.get(key) ?? {
      sku: one.sku,
      locationId: one.locationId,
      onHand: 0,
      reserved: 0,
    }
    total.onHand += one.onHand
    total.reserved += one.reserved
    totals.set(key, total)
  }
  return [...totals.values()]
}

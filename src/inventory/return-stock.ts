import { change, many } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import { applyMovements } from './move-stock.ts'
import { ensureStockRows, lockStock } from './stock-statements.ts'

/** Units of an order line that came back whole and lie at a location again. */
export type ReturnedStock = {
  readonly orderId: string
  readonly lineNo: number
  readonly locationId: string
  readonly sku: string
  readonly qty: number
  /** The fact that brought them: one return line counts once for an order line and location. */
  readonly sourceId: string
}

/**
 * Books units that came back into the physical book, with a `return` movement each. The same fact a
 * second time breaks the key of the ledger: callers know what they have booked.
 */
export async function returnStock(
  tx: Transaction,
  merchant: string,
  returned: readonly ReturnedStock[],
): Promise<void> {
  if (returned.length === 0) return
  const skus = returned.map((one) => one.sku)
  const locations = returned.map((one) => one.locationId)
  await change(tx, ensureStockRows, { merchant, skus, locations })
  await many(tx, lockStock, { merchant, skus: [...new Set(skus)].toSorted() })
  await applyMovements(
    tx,
    merchant,
    returned.map((one) => ({
      subjectId: one.orderId,
      sourceId: one.sourceId,
      lineNo: one.lineNo,
      locationId: one.locationId,
      sku: one.sku,
      kind: 'return',
      onHand: one.qty,
      reserved: 0,
    })),
  )
}

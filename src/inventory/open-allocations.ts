import { many } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import type { Allocation } from './allocate.ts'
import { openReservations } from './stock-statements.ts'

/** Where the units of some orders are reserved now, by order id. */
export async function openAllocations(
  tx: Transaction,
  merchant: string,
  orderIds: readonly string[],
): Promise<ReadonlyMap<string, readonly Allocation[]>> {
  const byOrder = new Map<string, Allocation[]>()
  for (const row of await many(tx, openReservations, { merchant, subjects: orderIds })) {
    const known = byOrder.get(row.subject_id) ?? []
    known.push({ lineNo: row.line_no, sku: row.sku, qty: row.units, locationId: row.location_id })
    byOrder.set(row.subject_id, known)
  }
  return byOrder
}

import { many, statement } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import { applyMovements } from './move-stock.ts'
import type { Movement } from './move-stock.ts'
import { ensureStockRows, lockStock, openReservations } from './stock-statements.ts'

/** A shipment that a partner reported: what left its location, line by line. */
export type IssuedShipment = {
  readonly shipmentId: string
  readonly orderId: string
  readonly locationId: string
  readonly lines: readonly { readonly lineNo: number; readonly sku: string; readonly qty: number }[]
}

const issuedBefore = statement({
  name: 'inventory.issued_before',
  params: { merchant: 'text', subjects: 'text[]', sources: 'text[]' },
  row: { source_id: 'text' },
  text: `
    select distinct source_id from inventory.movement
     where merchant_id = $merchant and subject_id = any($subjects) and kind = 'issue'
       and source_id = any($sources)`,
})

/**
 * Books shipments: units leave the physical book, and with them as much of the order's reservation
 * as is still open. A physical fact is never refused: a book below zero is quarantined and told.
 * A shipment that was booked before changes nothing.
 */
export async function issueShipment(
  tx: Transaction,
  merchant: string,
  shipments: readonly IssuedShipment[],
): Promise<{ negativeSkus: readonly string[] }> {
  const lines = shipments.flatMap((one) => one.lines.map((line) => ({ ...line, ...one })))
  if (lines.length === 0) return { negativeSkus: [] }
  const skus = lines.map((line) => line.sku)
  await many(tx, ensureStockRows, {
    merchant,
    skus,
    locations: lines.map((line) => line.locationId),
  })
  await many(tx, lockStock, { merchant, skus: [...new Set(skus)].toSorted() })
  const subjects = [...new Set(shipments.map((one) => one.orderId))]
  const sources = shipments.map((one) => one.shipmentId)
  const before = new Set(
    (await many(tx, issuedBefore, { merchant, subjects, sources })).map((row) => row.source_id),
  )
  const open = new Map<string, number>()
  for (const row of await many(tx, openReservations, { merchant, subjects })) {
    open.set(`${row.subject_id}\n${row.line_no}\n${row.location_id}`, row.units)
  }
  const movements = lines.flatMap((line): Movement[] => {
    if (before.has(line.shipmentId)) return []
    const key = `${line.orderId}\n${line.lineNo}\n${line.locationId}`
    const reserved = Math.min(open.get(key) ?? 0, line.qty)
    open.set(key, (open.get(key) ?? 0) - reserved)
    return [
      {
        subjectId: line.orderId,
        sourceId: line.shipmentId,
        lineNo: line.lineNo,
        locationId: line.locationId,
        sku: line.sku,
        kind: 'issue',
        onHand: -line.qty,
        reserved: -reserved,
      },
    ]
  })
  return applyMovements(tx, merchant, movements)
}

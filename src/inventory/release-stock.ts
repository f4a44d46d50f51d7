import { many } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import { applyMovements } from './move-stock.ts'
import type { Movement } from './move-stock.ts'
import { lockStock, openReservations, reservedSkus } from './stock-statements.ts'

/**
 * Gives back what is still reserved for some orders or checkouts; `sourceId` names the fact that
 * freed it (a withdrawal, an expiry), `locations` where a part stays reserved. A second release finds nothing open and moves nothing.
 * Returns the units given back.
 */
export async function releaseStock(
  tx: Transaction,
  merchant: string,
  releases: readonly {
    readonly subjectId: string
    readonly sourceId: string
    /** Where it is given back; everywhere where absent. */
    readonly locations?: readonly string[]
  }[],
): Promise<{ units: number }> {
  const subjects = releases.map((one) => one.subjectId)
  const skus = (await many(tx, reservedSkus, { merchant, subjects })).map((row) => row.sku)
  if (skus.length === 0) return { units: 0 }
  await many(tx, lockStock, { merchant, skus: skus.toSorted() })
  const sources = new Map(releases.map((one) => [one.subjectId, one.sourceId]))
  const limits = new Map(releases.map((one) => [one.subjectId, one.locations]))
  const open = (await many(tx, openReservations, { merchant, subjects })).filter(
    (row) => limits.get(row.subject_id)?.includes(row.location_id) ?? true,
  )
  await applyMovements(
    tx,
    merchant,
    open.map((row) => ({
      subjectId: row.subject_id,
      sourceId: sources.get(row.subject_id) ?? row.subject_id,
      lineNo: row.line_no,
      locationId: row.location_id,
      sku: row.sku,
      kind: 'release',
      onHand: 0,
      reserved: -row.units,
    })),
  )
  return { units: open.reduce((sum, row) => sum + row.units, 0) }
}

/** Units of one order that will not ship: line by line, at their location. */
export type ReleasedUnits = {
  readonly subjectId: string
  /** The fact that freed them; one fact counts once for a line and location. */
  readonly sourceId: string
  readonly lines: readonly {
    readonly lineNo: number
    readonly locationId: string
    readonly sku: string
    readonly qty: number
  }[]
}

/** Gives back some units of what is still reserved for an order, never more. Returns those given back. */
export async function releaseUnits(
  tx: Transaction,
  merchant: string,
  { subjectId, sourceId, lines }: ReleasedUnits,
): Promise<number> {
  if (lines.length === 0) return 0
  const skus = [...new Set(lines.map((one) => one.sku))].toSorted()
  await many(tx, lockStock, { merchant, skus })
  const reserved = await many(tx, openReservations, { merchant, subjects: [subjectId] })
  const movements = lines.flatMap(({ lineNo, locationId, sku, qty }): Movement[] => {
    const row = reserved.find((one) => one.line_no === lineNo && one.location_id === locationId)
    const units = Math.min(row?.units ?? 0, qty)
    const place = { subjectId, sourceId, lineNo, locationId, sku }
    return units > 0 ? [{ ...place, kind: 'release', onHand: 0, reserved: -units }] : []
  })
  await applyMovements(tx, merchant, movements)
  return movements.reduce((sum, one) => sum - one.reserved, 0)
}

import { accept } from '#kernel/index.ts'
import type { Outcome, Refusal } from '#kernel/index.ts'
import { transact } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { checkRows } from '#platform/files/index.ts'
import { readCatalog, upsertProducts } from '#catalog/index.ts'
import type { CatalogFileRow, UpsertCounts } from '#catalog/index.ts'
import { recordOpeningStock } from './record-opening-stock.ts'
import type { RecordedOpening } from './record-opening-stock.ts'

/** `refused` lists the file's bad rows (100 at most, `bad` counts all): then nothing was applied. */
export type CatalogImport =
  | { readonly kind: 'applied'; readonly products: UpsertCounts; readonly stock: RecordedOpening }
  | { readonly kind: 'refused'; readonly bad: number; readonly refusals: readonly Refusal[] }

const CHUNK_PRODUCTS = 5_000

/**
 * Imports a catalog file with its opening stock in one transaction: wholly or not at all, and again
 * without effect. Refuses what `recordOpeningStock` refuses; `withStock: false` leaves stock alone.
 */
export async function importCatalog(
  context: Context,
  path: string,
  options: { readonly actor: string; readonly withStock: boolean },
): Promise<Outcome<CatalogImport>> {
  // A catalog is kept whole: a million products are some 200 MB, and one transaction must have them all.
  const rows: CatalogFileRow[] = []
  const { bad, refusals } = await checkRows(readCatalog(path), (row) => rows.push(row))
  if (bad > 0) return accept({ kind: 'refused', bad, refusals })
  return stockCatalog(context, rows, options)
}

/** Writes products and their opening stock in one transaction; see `importCatalog`. */
export async function stockCatalog(
  context: Context,
  rows: readonly Omit<CatalogFileRow, 'line'>[],
  options: { readonly actor: string; readonly withStock: boolean },
): Promise<Outcome<Extract<CatalogImport, { kind: 'applied' }>>> {
  const { merchant } = context
  return transact(context.database, async (tx) => {
    const products = { inserted: 0, updated: 0, unchanged: 0 }
    for (let start = 0; start < rows.length; start += CHUNK_PRODUCTS) {
      const counts = await upsertProducts(tx, merchant, rows.slice(start, start + CHUNK_PRODUCTS))
      products.inserted += counts.inserted
      products.updated += counts.updated
      products.unchanged += counts.unchanged
    }
    const opening = options.withStock
      ? rows.map((row) => ({ sku: row.sku, units: row.openingUnits }))
      : []
    const stock = await recordOpeningStock(tx, merchant, opening, options.actor)
    return stock.ok ? accept({ kind: 'applied', products, stock: stock.value }) : stock
  })
}

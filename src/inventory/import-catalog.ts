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
  /** A signal came before the commit: nothing was applied. */
  | { readonly kind: 'stopped' }
  | { readonly kind: 'refused'; readonly bad: number; readonly refusals: readonly Refusal[] }

const CHUNK_PRODUCTS = 5_000

/** Who stocks, whether with units, and what stops it between two chunks. */
type Stocking = {
  readonly actor: string
  readonly withStock: boolean
  readonly signal?: AbortSignal
}

/**
 * Imports a catalog file with its opening stock in one transaction: wholly or not at all, and again
 * without effect. Refuses what `recordOpeningStock` refuses; `withStock: false` leaves stock alone.
 */
export async function importCatalog(
  context: Context,
  path: string,
  options: Stocking,
): Promise<Outcome<CatalogImport>> {
  // A catalog is kept whole: a million products are some 200 MB, and one transaction must have them all.
  const rows: CatalogFileRow[] = []
  const look = (row: CatalogFileRow): number => rows.push(row)
  const { bad, refusals } = await checkRows(readCatalog(path), look, options.signal)
  if (options.signal?.aborted === true) return accept({ kind: 'stopped' })
  if (bad > 0) return accept({ kind: 'refused', bad, refusals })
  try {
    return await stockCatalog(context, rows, options)
  } catch (fault) {
    if (fault === STOPPED) return accept({ kind: 'stopped' })
    throw fault
  }
}

const STOPPED = new Error('a signal came before the catalog was written')

/** Writes products and their opening stock in one transaction; see `importCatalog`. */
export async function stockCatalog(
  context: Context,
  rows: readonly Omit<CatalogFileRow, 'line'>[],
  options: Stocking,
): Promise<Outcome<Extract<CatalogImport, { kind: 'applied' }>>> {
  const { merchant } = context
  return transact(context.database, async (tx) => {
    const products = { inserted: 0, updated: 0, unchanged: 0 }
    for (let start = 0; start < rows.length; start += CHUNK_PRODUCTS) {
      // Thrown out of the transaction, which is rolled back.
      if (options.signal?.aborted === true) throw STOPPED
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

import { accept, refuse } from '#kernel/index.ts'
import type { Outcome, Refusal } from '#kernel/index.ts'
import { many, transact } from '#platform/index.ts'
import type { Context, Transaction } from '#platform/index.ts'
import { checkRows } from '#platform/files/index.ts'
import { productsForSkus } from '#catalog/index.ts'
import { selectLocations } from './location.ts'
import { readStockRows } from './read-stock-rows.ts'
import type { StockFileRow } from './read-stock-rows.ts'
import { recordStock } from './record-stock.ts'
import type { StockDocument } from './record-stock.ts'

/** `refused` lists the file's bad rows (100 at most, `bad` counts all): then nothing was recorded. */
export type StockImport =
  | {
      readonly kind: 'applied'
      readonly recorded: number
      readonly known: number
      readonly negativeSkus: readonly string[]
    }
  | { readonly kind: 'refused'; readonly bad: number; readonly refusals: readonly Refusal[] }

/**
 * Records the documents of a stock file in one transaction: all or none, and again without effect.
 * Refuses `location_unknown` and `sku_unknown` with the line, and what `recordStock` refuses.
 */
export async function importStock(
  context: Context,
  path: string,
  options: { readonly kind: StockDocument['kind']; readonly actor: string },
): Promise<Outcome<StockImport>> {
  const rows: StockFileRow[] = []
  const checked = await checkRows(readStockRows(path, options.kind), (row) => rows.push(row))
  if (checked.bad > 0) {
    return accept({ kind: 'refused', bad: checked.bad, refusals: checked.refusals })
  }
  return recordRows(context, rows, options)
}

/** Records stock rows as documents, one for each id; see `importStock`. Lines number the rows. */
export async function recordRows(
  context: Context,
  rows: readonly StockFileRow[],
  options: { readonly kind: StockDocument['kind']; readonly actor: string },
): Promise<Outcome<Extract<StockImport, { kind: 'applied' }>>> {
  const { merchant } = context
  return transact(context.database, async (tx) => {
    const known = await checkNames(tx, merchant, rows)
    if (!known.ok) return known
    let recorded = 0
    const documents = toDocuments(rows, options.kind)
    const negative = new Set<string>()
    for (const { line, document } of documents) {
      const outcome = await recordStock(tx, merchant, document, options.actor)
      if (!outcome.ok) return { ok: false, refusal: { ...outcome.refusal, line } }
      if (outcome.value.wasNew) recorded += 1
      for (const sku of outcome.value.negativeSkus) negative.add(sku)
    }
    return accept({
      kind: 'applied',
      recorded,
      known: documents.length - recorded,
      negativeSkus: [...negative],
    })
  })
}

async function checkNames(
  tx: Transaction,
  merchant: string,
  rows: readonly StockFileRow[],
): Promise<Outcome<null>> {
  const locations = new Set((await many(tx, selectLocations, { merchant })).map((row) => row.id))
  const skus = [...new Set(rows.map((row) => row.sku))]
  const products = new Set((await productsForSkus(tx, merchant, skus)).map((row) => row.sku))
  for (const { line, sku, locationId } of rows) {
    if (!locations.has(locationId)) {
      return refuse('location_unknown', `No location ${locationId}.`, { line, field: 'location' })
    }
    if (!products.has(sku)) {
      return refuse('sku_unknown', `${sku} is not in the catalog.`, { line, field: 'sku' })
    }
  }
  return accept(null)
}

function toDocuments(
  rows: readonly StockFileRow[],
  kind: StockDocument['kind'],
): readonly { readonly line: number; readonly document: StockDocument }[] {
  const byId = Map.groupBy(rows, (row) => row.id)
  return [...byId].map(([id, own]) => {
    const note = own.find((row) => row.note !== undefined)?.note
    const lines = own.map(({ sku, locationId, quantity }) => ({ sku, locationId, quantity }))
    return {
      line: own[0]?.line ?? 0,
      document: { id, kind, lines, ...(note === undefined ? {} : { note }) },
    }
  })
}

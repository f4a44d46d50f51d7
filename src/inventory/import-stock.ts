import { accept } from '#kernel/index.ts'
import type { Outcome, Refusal } from '#kernel/index.ts'
import { transact } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { checkRows } from '#platform/files/index.ts'
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
 * Refuses what `recordStock` refuses, with the line and column.
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
    let recorded = 0
    const documents = toDocuments(rows, options.kind)
    const negative = new Set<string>()
    for (const { own, document } of documents) {
      const outcome = await recordStock(tx, merchant, document, options.actor)
      if (!outcome.ok) return { ok: false, refusal: atRow(outcome.refusal, own) }
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

// The row of a file that a field of a document came from, and the column as the file names it.
function atRow(refusal: Refusal, rows: readonly StockFileRow[]): Refusal {
  const [, index, column] = /^lines\[(\d+)\]\.(\w+)$/.exec(refusal.field ?? '') ?? []
  const line = rows[Number(index ?? 0)]?.line ?? 0
  return { ...refusal, line, ...(column === undefined ? {} : { field: column }) }
}

function toDocuments(
  rows: readonly StockFileRow[],
  kind: StockDocument['kind'],
): readonly { readonly own: readonly StockFileRow[]; readonly document: StockDocument }[] {
  const byId = Map.groupBy(rows, (row) => row.id)
  return [...byId].map(([id, own]) => {
    const note = own.find((row) => row.note !== undefined)?.note
    const lines = own.map(({ sku, locationId, quantity }) => ({ sku, locationId, quantity }))
    return {
      own,
      document: { id, kind, lines, ...(note === undefined ? {} : { note }) },
    }
  })
}

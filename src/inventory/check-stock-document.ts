import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { many } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import { productsForSkus } from '#catalog/index.ts'
import { selectLocations } from './location.ts'
import type { StockDocument } from './record-stock.ts'

/** Most units of one line of a stock document. */
export const UNITS_MAX = 1_000_000_000

/** Ids, SKUs and locations: printable ASCII without spaces, at most 64 characters. */
export const STOCK_NAME = /^[\x21-\x7e]{1,64}$/

/**
 * What is wrong with a quantity; undefined if nothing is. A receipt adds at least one unit, a count is not
 * negative, and a change is not 0.
 */
export function quantityFault(kind: StockDocument['kind'], quantity: number): string | undefined {
  if (!Number.isSafeInteger(quantity)) return 'a whole number'
  if (Math.abs(quantity) > UNITS_MAX) return `at most ${UNITS_MAX} units`
  if (kind === 'receive' && quantity < 1) return 'a receipt adds at least one unit'
  if (kind === 'count' && quantity < 0) return 'what was counted is not negative'
  if (kind === 'adjust' && quantity === 0) return 'a change is not 0'
  return undefined
}

/**
 * The rules of a stock document, whoever brings it: names, quantities by kind, each place of a SKU once, and that
 * SKUs and locations exist. Refuses `body_invalid`, `location_unknown` and `sku_unknown` with the field.
 */
export async function checkStockDocument(
  tx: Transaction,
  merchant: string,
  document: StockDocument,
): Promise<Outcome<void>> {
  const formed = checkForm(document)
  if (!formed.ok) return formed
  const skus = [...new Set(document.lines.map((line) => line.sku))]
  const locations = new Set((await many(tx, selectLocations, { merchant })).map((row) => row.id))
  const products = new Set((await productsForSkus(tx, merchant, skus)).map((row) => row.sku))
  for (const [index, { sku, locationId }] of document.lines.entries()) {
    if (!locations.has(locationId))
      return refuse('location_unknown', `There is no location ${locationId}.`, {
        field: `lines[${index}].location`,
      })
    if (!products.has(sku))
      return refuse('sku_unknown', `${sku} is not in the catalog.`, {
        field: `lines[${index}].sku`,
      })
  }
  return accept(undefined)
}

function checkForm({ id, kind, lines }: StockDocument): Outcome<void> {
  if (!STOCK_NAME.test(id)) return wrong('id', NAME_RULE)
  if (lines.length === 0) return wrong('lines', 'a document has at least one line')
  const seen = new Set<string>()
  for (const [index, { sku, locationId, quantity }] of lines.entries()) {
    const at = `lines[${index}]`
    if (!STOCK_NAME.test(sku)) return wrong(`${at}.sku`, NAME_RULE)
    if (!STOCK_NAME.test(locationId)) return wrong(`${at}.location`, NAME_RULE)
    const fault = quantityFault(kind, quantity)
    if (fault !== undefined) return wrong(`${at}.quantity`, fault)
    const place = `${sku}\n${locationId}`
    if (seen.has(place)) return wrong(`${at}.sku`, `${sku} at ${locationId} stands twice`)
    seen.add(place)
  }
  return accept(undefined)
}

const NAME_RULE = 'printable ASCII without spaces, at most 64 characters'

function wrong(field: string, detail: string): Outcome<never> {
  return refuse('body_invalid', `${field}: ${detail}.`, { field })
}

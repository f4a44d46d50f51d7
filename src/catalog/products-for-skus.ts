import { many, statement } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'

/** What selling needs to know of a product; the price in minor units of `currency`. */
export type CatalogPrice = {
  readonly sku: string
  readonly priceMinor: number
  readonly currency: string
  readonly isActive: boolean
}

// The `select` hides the length of the array; see the statements of inventory.
const selectPrices = statement({
  name: 'catalog.select_prices',
  params: { merchant: 'text', skus: 'text[]' },
  row: { sku: 'text', price_minor: 'int4', currency: 'text', is_active: 'bool' },
  text: `
    select sku, price_minor, currency, is_active from catalog.product
     where merchant_id = $merchant and sku = any((select $skus)::text[])`,
})

/** Prices of some SKUs in the caller's transaction; an unknown SKU is left out. */
export async function productsForSkus(
  tx: Transaction,
  merchant: string,
  skus: readonly string[],
): Promise<readonly CatalogPrice[]> {
  const rows = await many(tx, selectPrices, { merchant, skus })
  return rows.map((row) => ({
    sku: row.sku,
    priceMinor: row.price_minor,
    currency: row.currency,
    isActive: row.is_active,
  }))
}

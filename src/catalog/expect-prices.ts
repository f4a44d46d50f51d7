import { many, statement } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import type { CatalogPrice } from './products-for-skus.ts'

// Row by row with `limit 1`: whatever the planner believes of the array, each SKU is found by its key.
const expectPricesStatement = statement({
  name: 'catalog.expect_prices',
  params: { merchant: 'text', skus: 'text[]', prices: 'int4[]', currencies: 'text[]' },
  row: { holds: 'bool' },
  text: `
    select platform.hold_or_fail(count(p.sku) = cardinality($skus), 'prices') as holds
      from (select unnest($skus) as sku, unnest($prices) as price_minor, unnest($currencies) as currency) as f
      left join lateral (select sku from catalog.product
                          where merchant_id = $merchant and sku = f.sku and price_minor = f.price_minor
                            and currency = f.currency and is_active
                          limit 1) p on true`,
})

/**
 * Fails the transaction (`isExpectationFailed`) unless each product is for sale at exactly that price
 * in that currency. For a caller that remembers prices and does not wait for the answer.
 */
export async function expectPrices(
  tx: Transaction,
  merchant: string,
  products: readonly CatalogPrice[],
): Promise<void> {
  await many(tx, expectPricesStatement, {
    merchant,
    skus: products.map((product) => product.sku),
    prices: products.map((product) => product.priceMinor),
    currencies: products.map((product) => product.currency),
  })
}

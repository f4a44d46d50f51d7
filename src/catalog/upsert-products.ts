import { maybe, statement } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'

/** A product as a catalog file or the admin API gives it; the price in minor units. */
export type ProductRow = {
  readonly sku: string
  readonly title: string
  readonly priceMinor: number
  readonly currency: string
}

/** How many products an upsert touched. */
export type UpsertCounts = {
  readonly inserted: number
  readonly updated: number
  readonly unchanged: number
}

const upsert = statement({
  name: 'catalog.upsert_products',
  params: {
    merchant: 'text',
    skus: 'text[]',
    titles: 'text[]',
    prices: 'int4[]',
    currencies: 'text[]',
  },
  row: { inserted: 'int8', updated: 'int8' },
  text: `
    with written as (
      insert into catalog.product as p (merchant_id, sku, title, price_minor, currency)
      select $merchant, r.sku, r.title, r.price, r.currency
        from unnest($skus, $titles, $prices, $currencies) as r(sku, title, price, currency)
       order by r.sku
      on conflict (merchant_id, sku) do update
         set title = excluded.title, price_minor = excluded.price_minor,
             currency = excluded.currency, updated_at = now()
       where (p.title, p.price_minor, p.currency)
             is distinct from (excluded.title, excluded.price_minor, excluded.currency)
      returning (xmax = 0) as is_new
    )
    select count(*) filter (where is_new) as inserted, count(*) filter (where not is_new) as updated
      from written`,
})

/** Writes products set-based; the same rows again change nothing. A SKU may stand once in `rows`. */
export async function upsertProducts(
  tx: Transaction,
  merchant: string,
  rows: readonly ProductRow[],
): Promise<UpsertCounts> {
  const counts = await maybe(tx, upsert, {
    merchant,
    skus: rows.map((row) => row.sku),
    titles: rows.map((row) => row.title),
    prices: rows.map((row) => row.priceMinor),
    currencies: rows.map((row) => row.currency),
  })
  const { inserted = 0, updated = 0 } = counts ?? {}
  return { inserted, updated, unchanged: rows.length - inserted - updated }
}

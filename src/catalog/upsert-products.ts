import { maybe, statement } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'

/**
 * A product as a catalog file or the admin API gives it; the price in minor units. What is optional
 * and absent stays as it is, or is "for sale, in no group, without options" for a new product.
 */
export type ProductRow = {
  readonly sku: string
  readonly title: string
  readonly priceMinor: number
  readonly currency: string
  readonly isActive?: boolean | undefined
  readonly group?: string | undefined
  readonly options?: Readonly<Record<string, string>> | undefined
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
    actives: 'bool?[]',
    groups: 'text?[]',
    options: 'text?[]',
  },
  row: { inserted: 'int8', updated: 'int8' },
  text: `
    with given as (
      select r.sku, r.title, r.price, r.currency,
             coalesce(r.is_active, p.is_active, true) as is_active,
             coalesce(r.group_id, p.group_id) as group_id,
             coalesce(r.options::jsonb, p.options, '{}') as options
        from (select unnest($skus) as sku, unnest($titles) as title, unnest($prices) as price,
                     unnest($currencies) as currency, unnest($actives) as is_active,
                     unnest($groups) as group_id, unnest($options) as options) as r
        left join catalog.product p on p.merchant_id = $merchant and p.sku = r.sku
    ), written as (
      insert into catalog.product as p
        (merchant_id, sku, title, price_minor, currency, is_active, group_id, options)
      select $merchant, sku, title, price, currency, is_active, group_id, options
        from given
       order by sku
      on conflict (merchant_id, sku) do update
         set title = excluded.title, price_minor = excluded.price_minor,
             currency = excluded.currency, is_active = excluded.is_active,
             group_id = excluded.group_id, options = excluded.options, updated_at = now()
       where (p.title, p.price_minor, p.currency, p.is_active, p.group_id, p.options)
             is distinct from (excluded.title, excluded.price_minor, excluded.currency,
               excluded.is_active, excluded.group_id, excluded.options)
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
    actives: rows.map((row) => row.isActive ?? null),
    groups: rows.map((row) => row.group ?? null),
    options: rows.map((row) => (row.options ? JSON.stringify(row.options) : null)),
  })
  const { inserted = 0, updated = 0 } = counts ?? {}
  return { inserted, updated, unchanged: rows.length - inserted - updated }
}

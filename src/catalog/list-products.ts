import { jsonOf, read, statement } from '#platform/index.ts'
import type { Database } from '#platform/index.ts'

/** A product that is for sale; the price in minor units. */
export type Product = {
  readonly sku: string
  readonly title: string
  readonly priceMinor: number
  readonly currency: string
  readonly group: string | null
  readonly options: Readonly<Record<string, string>>
}

const row = {
  sku: 'text',
  title: 'text',
  price_minor: 'int4',
  currency: 'text',
  group_id: 'text?',
  options: jsonOf<Readonly<Record<string, string>>>('shown as it stands: nothing is decided by it'),
} as const

const selectPage = statement({
  name: 'catalog.select_page',
  params: { merchant: 'text', after: 'text', limit: 'int4' },
  row,
  text: `
    select sku, title, price_minor, currency, group_id, options from catalog.product
     where merchant_id = $merchant and is_active and sku > $after
     order by sku limit $limit`,
})

// A rare word is found by its index and sorted; a common one by walking the SKUs until the page is
// full. Only one way is right for a word, and the planner cannot know it: 5 to 20 ms or 0.1 to 1.
const searchPage = statement({
  name: 'catalog.search_page',
  params: { merchant: 'text', query: 'text', after: 'text', limit: 'int4' },
  row,
  text: `
    with found as materialized (
      select sku, title, price_minor, currency, group_id, options from catalog.product
       where merchant_id = $merchant and is_active and sku > $after
         and search @@ to_tsquery('simple', $query)
       limit 501
    ), total as materialized (
      select count(*) as n from found
    )
    (select * from found where (select n from total) <= 500 order by sku limit $limit)
    union all
    (select sku, title, price_minor, currency, group_id, options from catalog.product
      where merchant_id = $merchant and is_active and sku > $after
        and search @@ to_tsquery('simple', $query) and (select n from total) > 500
      order by sku limit $limit)`,
})

const WORDS_MAX = 8

/**
 * Products for sale by SKU, at most `limit` after the SKU `after`. `q` keeps those whose SKU or
 * title has a word that begins with each of its words (at most 8 are looked at).
 */
export async function listProducts(
  database: Database,
  merchant: string,
  page: { readonly q?: string | undefined; readonly after: string; readonly limit: number },
): Promise<readonly Product[]> {
  const { q, after, limit } = page
  const query = prefixQuery(q ?? '')
  const rows =
    query === ''
      ? await read(database, selectPage, { merchant, after, limit })
      : await read(database, searchPage, { merchant, query, after, limit })
  return rows.map(toProduct)
}

// Each word is quoted, so that PostgreSQL splits it exactly as it split the text that it searches.
function prefixQuery(q: string): string {
  return q
    .split(/\s+/)
    .filter((word) => /[\p{L}\p{N}]/u.test(word))
    .slice(0, WORDS_MAX)
    .map((word) => `'${word.replaceAll(/['\\]/g, '$&$&')}':*`)
    .join(' & ')
}

function toProduct(found: {
  readonly sku: string
  readonly title: string
  readonly price_minor: number
  readonly currency: string
  readonly group_id: string | null
  readonly options: Readonly<Record<string, string>>
}): Product {
  const { sku, title, currency, options } = found
  return { sku, title, priceMinor: found.price_minor, currency, group: found.group_id, options }
}

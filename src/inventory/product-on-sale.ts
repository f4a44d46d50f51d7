import { jsonOf, read, statement } from '#platform/index.ts'
import type { Database, RowOf } from '#platform/index.ts'
import type { PageOfSkus, ProductOnSale } from '#catalog/index.ts'

// Product and stock in one statement: a page of the shop asks for both, and each alone is a round trip.
const row = {
  sku: 'text',
  title: 'text',
  price_minor: 'int4',
  currency: 'text',
  group_id: 'text?',
  options: jsonOf<Readonly<Record<string, string>>>('shown as it stands: nothing is decided by it'),
  available: 'int8',
} as const

const selectOnSale = statement({
  name: 'inventory.select_on_sale',
  params: { merchant: 'text', sku: 'text' },
  row,
  text: `
    select p.sku, p.title, p.price_minor, p.currency, p.group_id, p.options,
           case when bool_and(s.quarantined_at is null) then coalesce(sum(s.available), 0) else 0 end::int8 as available
      from catalog.product p
      left join inventory.stock s on s.merchant_id = p.merchant_id and s.sku = p.sku
     where p.merchant_id = $merchant and p.sku = $sku and p.is_active
     group by p.merchant_id, p.sku`,
})

// The page first and then its stock, SKU by SKU: joined at once, the planner may read all stock.
const selectPageOnSale = statement({
  name: 'inventory.select_page_on_sale',
  params: { merchant: 'text', after: 'text', limit: 'int4' },
  row,
  text: `
    select p.sku, p.title, p.price_minor, p.currency, p.group_id, p.options, s.available
      from (select sku, title, price_minor, currency, group_id, options from catalog.product
             where merchant_id = $merchant and is_active and sku > $after
             order by sku limit $limit) p
     cross join lateral
           (select case when bool_and(quarantined_at is null) then coalesce(sum(available), 0) else 0 end::int8 as available
              from inventory.stock where merchant_id = $merchant and sku = p.sku) s
     order by p.sku`,
})

/** A product for sale with its free units, none where the SKU is withdrawn from sale or has no stock. */
export async function productOnSale(
  database: Database,
  merchant: string,
  sku: string,
): Promise<ProductOnSale | undefined> {
  const [found] = await read(database, selectOnSale, { merchant, sku })
  return found && toProductOnSale(found)
}

/** The next products for sale by SKU, each with its free units as `productOnSale` counts them. */
export async function pageOnSale(
  database: Database,
  merchant: string,
  page: PageOfSkus,
): Promise<readonly ProductOnSale[]> {
  const rows = await read(database, selectPageOnSale, { merchant, ...page })
  return rows.map(toProductOnSale)
}

function toProductOnSale(found: RowOf<typeof row>): ProductOnSale {
  const { sku, title, price_minor: priceMinor, currency, group_id: group, options } = found
  return {
    product: { sku, title, priceMinor, currency, group, options },
    available: found.available,
  }
}

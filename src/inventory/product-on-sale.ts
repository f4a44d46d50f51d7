import { jsonOf, read, statement } from '#platform/index.ts'
import type { Database } from '#platform/index.ts'
import type { ProductOnSale } from '#catalog/index.ts'

// Product and stock in one statement: a page of the shop asks for both, and each alone is a round trip.
const selectOnSale = statement({
  name: 'inventory.select_on_sale',
  params: { merchant: 'text', sku: 'text' },
  row: {
    sku: 'text',
    title: 'text',
    price_minor: 'int4',
    currency: 'text',
    group_id: 'text?',
    options: jsonOf<Readonly<Record<string, string>>>(),
    available: 'int8',
  },
  text: `
    select p.sku, p.title, p.price_minor, p.currency, p.group_id, p.options,
           case when bool_and(s.quarantined_at is null) then coalesce(sum(s.available), 0) else 0 end::int8 as available
      from catalog.product p
      left join inventory.stock s on s.merchant_id = p.merchant_id and s.sku = p.sku
     where p.merchant_id = $merchant and p.sku = $sku and p.is_active
     group by p.merchant_id, p.sku`,
})

/** A product for sale with its free units, none where the SKU is withdrawn from sale or has no stock. */
export async function productOnSale(
  database: Database,
  merchant: string,
  sku: string,
): Promise<ProductOnSale | undefined> {
  const [row] = await read(database, selectOnSale, { merchant, sku })
  if (!row) return undefined
  const { title, price_minor: priceMinor, currency, group_id: group, options } = row
  return {
    product: { sku: row.sku, title, priceMinor, currency, group, options },
    available: row.available,
  }
}

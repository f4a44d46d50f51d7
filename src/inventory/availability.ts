import { read, statement } from '#platform/index.ts'
import type { Database } from '#platform/index.ts'

/** What a shop may say of a SKU: units free over all locations, and whether it may be sold at all. */
export type Availability = {
  readonly sku: string
  readonly available: number
  readonly isSellable: boolean
}

const selectAvailability = statement({
  name: 'inventory.select_availability',
  params: { merchant: 'text', skus: 'text[]' },
  row: { sku: 'text', available: 'int8', is_sellable: 'bool' },
  text: `
    select sku, sum(available)::int8 as available, bool_and(quarantined_at is null) as is_sellable
      from inventory.stock
     where merchant_id = $merchant and sku = any($skus)
     group by sku`,
})

const selectStock = statement({
  name: 'inventory.select_stock',
  params: { merchant: 'text', sku: 'text?', after: 'text', limit: 'int4' },
  row: {
    sku: 'text',
    location_id: 'text',
    on_hand: 'int8',
    reserved: 'int8',
    available: 'int8',
    shortfall: 'int8',
    quarantined_at: 'timestamptz?',
  },
  text: `
    select sku, location_id, on_hand, reserved, available, shortfall, quarantined_at
      from inventory.stock
     where merchant_id = $merchant and ($sku is null or sku = $sku) and sku || ' ' || location_id > $after
     order by sku, location_id
     limit $limit`,
})

const countNegative = statement({
  name: 'inventory.count_negative_skus',
  params: { merchant: 'text' },
  row: { skus: 'int8' },
  text: `
    select count(distinct sku) as skus from inventory.stock
     where merchant_id = $merchant and on_hand < 0`,
})

/** Availability of some SKUs; one that has no stock row is left out. */
export async function availability(
  database: Database,
  merchant: string,
  skus: readonly string[],
): Promise<readonly Availability[]> {
  const rows = await read(database, selectAvailability, { merchant, skus })
  return rows.map((row) => ({
    sku: row.sku,
    available: row.available,
    isSellable: row.is_sellable,
  }))
}

/** A page of the counters, by (SKU, location). `after` is the last row's `sku location`. */
export async function listStock(
  database: Database,
  merchant: string,
  page: { sku?: string | undefined; after?: string | undefined; limit: number },
) {
  return read(database, selectStock, {
    merchant,
    sku: page.sku ?? null,
    after: page.after ?? '',
    limit: page.limit,
  })
}

/** How many SKUs have a physical book below zero now: `inventory_negative_stock_skus`. */
export async function negativeStockSkus(database: Database, merchant: string): Promise<number> {
  const rows = await read(database, countNegative, { merchant })
  return rows[0]?.skus ?? 0
}

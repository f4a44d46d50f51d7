import { generateOrders } from './generate-orders.ts'
import { generatedProducts } from './generated-products.ts'

/** A product in the format of `holdfast import catalog`; the price in minor units. */
export type GeneratedCatalogRow = {
  readonly sku: string
  readonly title: string
  readonly price_minor: number
  /** Units that the generated orders name. */
  readonly units: number
  /** The opening stock with which all of them can be placed; one unit less and one cannot. */
  readonly units_needed: number
}

/**
 * The catalog of a synthetic shop, by SKU, stocked for the first `count` orders that
 * `generateOrders` yields for the same seed and `skus`: exactly enough for them and no unit more.
 */
export function* generateCatalog(shop: {
  readonly seed: number
  readonly count: number
  readonly skus?: number
}): Generator<GeneratedCatalogRow> {
  const units = new Map<string, number>()
  for (const order of generateOrders(shop)) {
    for (const { sku, qty } of order.lines) units.set(sku, (units.get(sku) ?? 0) + qty)
  }
  const { ranked } = generatedProducts(shop.seed, shop.skus)
  for (const { sku, title, priceMinor } of ranked.toSorted((a, b) => (a.sku < b.sku ? -1 : 1))) {
    const needed = units.get(sku) ?? 0
    yield { sku, title, price_minor: priceMinor, units: needed, units_needed: needed }
  }
}

export { catalogRoutes } from './catalog.http.ts'
export type {
  PageOfSkus,
  ProductOnSale,
  ReadAvailability,
  SkuAvailability,
  StockReads,
} from './store.http.ts'
export { expectPrices } from './expect-prices.ts'
export { productsForSkus } from './products-for-skus.ts'
export type { CatalogPrice } from './products-for-skus.ts'
export { upsertProducts } from './upsert-products.ts'
export type { ProductRow, UpsertCounts } from './upsert-products.ts'
export { readCatalog } from './read-catalog.ts'
export type { CatalogFileRow } from './read-catalog.ts'

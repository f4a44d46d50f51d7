export { productsForSkus } from './products-for-skus.ts'
export type { CatalogPrice } from './products-for-skus.ts'
export { upsertProducts } from './upsert-products.ts'
export type { ProductRow, UpsertCounts } from './upsert-products.ts'

import type { AnyRoute, Context } from '#platform/index.ts'
import { productAdminRoutes } from './admin.http.ts'
import { productStoreRoutes } from './store.http.ts'
import type { StockReads } from './store.http.ts'

/** `/store/products` and `/admin/products`; stock is told by the reader that inventory gives. */
export function catalogRoutes(context: Context, stock: StockReads): readonly AnyRoute[] {
  return [...productStoreRoutes(context, stock), ...productAdminRoutes(context)]
}

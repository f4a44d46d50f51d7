import type { AnyRoute, Context } from '#platform/index.ts'
import { productAdminRoutes } from './admin.http.ts'
import { productStoreRoutes } from './store.http.ts'
import type { ReadAvailability } from './store.http.ts'

/** `/store/products` and `/admin/products`; stock is told by the reader that inventory gives. */
export function catalogRoutes(
  context: Context,
  availability: ReadAvailability,
): readonly AnyRoute[] {
  return [...productStoreRoutes(context, availability), ...productAdminRoutes(context)]
}

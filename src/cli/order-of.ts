import { orThrow, refuse } from '#kernel/index.ts'
import { findOrder } from '#orders/index.ts'
import type { OrderDetail } from '#orders/index.ts'
import type { Context } from '#platform/index.ts'

/** The order of an id or a merchant reference; refuses `order_unknown`. */
export async function orderOf({ database, merchant }: Context, id: string): Promise<OrderDetail> {
  const order = await findOrder(database, merchant, id)
  return orThrow(order ? { ok: true, value: order } : refuse('order_unknown', `No order ${id}.`))
}

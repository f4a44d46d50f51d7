import { z } from 'zod'
import type { ShopModel, ShopOrder } from './walk-model.ts'
import { skuOf } from './shop-shelves.ts'
import type { Answer, WalkWorld } from './walk-world.ts'

/** What the shop reads of the answer to an order. */
export const placedBody = z.object({
  id: z.string(),
  token: z.string(),
  review: z.object({ verdict: z.enum(['hold', 'clear']) }),
})

/** The next order of the shop: one in four goes abroad and is held, one in six has no reference. */
export function placeNext(model: ShopModel, how: number): ShopOrder {
  const tag = model.orders.length + 1
  const reference = how % 6 === 0 ? undefined : `walk-${tag}`
  const country = how % 4 === 0 ? 'FR' : 'GB'
  const body = {
    ...(reference === undefined ? {} : { order_id: reference, customer: `C-${how % 7}` }),
    currency: 'GBP',
    country,
    lines: [{ sku: skuOf(tag), qty: 1 }],
    ship_to: { name: 'Walk', street: `${tag} High Street`, city: 'London', country },
  }
  return {
    tag,
    sku: skuOf(tag),
    reference,
    idempotencyKey: `walk-key-${tag}`,
    body: JSON.stringify(body),
    id: '',
    token: '',
    verdict: 'hold',
    isCancelled: false,
    isHeldByPerson: false,
    placedAtStep: model.step,
    changedAtStep: model.step,
  }
}

/** Sends an order as the shop does, for the first time or again. */
export function sendOrder(world: WalkWorld, order: ShopOrder): Promise<Answer> {
  return world.call('POST', '/store/orders', {
    rawBody: order.body,
    idempotencyKey: order.idempotencyKey,
    ...(order.reference === undefined ? {} : { as: 'admin' }),
  })
}

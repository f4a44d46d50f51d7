import { accept, invariant, newId, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { many, maybe, statement, transact, withTransaction } from '#platform/index.ts'
import { productsForSkus } from '#catalog/index.ts'
import { releaseStock, reserveStock } from '#inventory/index.ts'
import { orderInput } from './order-input.ts'
import type { OrderInput } from './order-input.ts'
import { placeWithin } from './place/place-orders.ts'
import type { PlacingDeps } from './place/place-orders.ts'
import type { PlacedOrder, PlaceRequest } from './place/place-request.ts'
import { decidedUnder } from './place/decided-under.ts'
import { priceOrder } from './place/price-order.ts'

/** How long an unfinished checkout keeps its stock. */
export const CHECKOUT_LIFETIME_S = 900

/** An open checkout: its stock is reserved until `expiresAt` (ISO 8601 UTC). */
export type OpenCheckout = { readonly id: string; readonly expiresAt: string }

const insertCheckout = statement({
  name: 'orders.insert_checkout',
  params: { merchant: 'text', id: 'text', input: 'jsonb', lifetime: 'int4' },
  row: { expires_at: 'timestamptz' },
  text: `
    insert into orders.checkout (merchant_id, id, input, expires_at)
    values ($merchant, $id, $input, now() + make_interval(secs => $lifetime))
    returning expires_at`,
})

const completeStatement = statement({
  name: 'orders.complete_checkout',
  params: { merchant: 'text', id: 'text', order: 'text' },
  row: { input: 'jsonb' },
  text: `
    update orders.checkout set state = 'completed', order_id = $order
     where merchant_id = $merchant and id = $id and state = 'open' and expires_at > now()
    returning input`,
})

const selectCheckout = statement({
  name: 'orders.select_checkout',
  params: { merchant: 'text', id: 'text' },
  row: { order_id: 'text?' },
  text: `select order_id from orders.checkout where merchant_id = $merchant and id = $id`,
})

const expireCheckouts = statement({
  name: 'orders.expire_checkouts',
  params: { merchant: 'text' },
  row: { id: 'text' },
  text: `
    update orders.checkout set state = 'expired'
     where merchant_id = $merchant and id in (
       select id from orders.checkout
        where merchant_id = $merchant and state = 'open' and expires_at <= now()
        order by id
        limit 100
          for update skip locked)
    returning id`,
})

/** Opens a checkout and reserves its stock; refuses like placing does (`insufficient_stock`, ...). */
export async function openCheckout(
  deps: PlacingDeps,
  input: OrderInput,
  lifetimeS: number = CHECKOUT_LIFETIME_S,
): Promise<Outcome<OpenCheckout>> {
  const { database, merchant } = deps.context
  const id = newId('chk')
  return transact(database, async (tx) => {
    const found = await productsForSkus(tx, merchant, [
      ...new Set(input.lines.map((line) => line.sku)),
    ])
    const lines = priceOrder(
      asRequest(input),
      new Map(found.map((product) => [product.sku, product])),
    )
    if (!lines.ok) return lines
    const [reserved] = await reserveStock(tx, merchant, [
      {
        subjectId: id,
        maySplit: true,
        lines: lines.value.map((line) => ({ lineNo: line.line, sku: line.sku, qty: line.qty })),
      },
    ])
    if (reserved && !reserved.ok) return reserved
    const row = await maybe(tx, insertCheckout, {
      merchant,
      id,
      input: JSON.stringify(input),
      lifetime: lifetimeS,
    })
    return accept({ id, expiresAt: (row?.expires_at ?? new Date()).toISOString() })
  })
}

/**
 * Turns a checkout into an order that takes over its reservation. Completing twice answers the same
 * order; `checkout_expired` once its stock was let go, `checkout_unknown` where there is none.
 */
export async function completeCheckout(
  deps: PlacingDeps,
  id: string,
): Promise<Outcome<{ order?: PlacedOrder; orderId: string }>> {
  const { database, merchant } = deps.context
  const orderId = newId('ord')
  const under = await decidedUnder(deps)
  return transact(database, async (tx) => {
    const opened = await maybe(tx, completeStatement, { merchant, id, order: orderId })
    if (!opened) {
      const known = await maybe(tx, selectCheckout, { merchant, id })
      if (!known) return refuse('checkout_unknown', `There is no checkout ${id}.`)
      if (known.order_id) return accept({ orderId: known.order_id })
      return refuse('checkout_expired', 'The checkout let go of its stock; start again.')
    }
    const request = { ...asRequest(readInput(opened.input)), checkoutId: id }
    const outcome = await placeWithin(tx, deps, request, { orderId, under })
    if (outcome.kind === 'refused') return { ok: false, refusal: outcome.refusal }
    return accept({ order: outcome.order, orderId })
  })
}

/** Lets go of the stock of checkouts whose time is over, 100 a call; returns how many. */
export async function expireOldCheckouts(deps: PlacingDeps): Promise<number> {
  const { database, merchant } = deps.context
  return withTransaction(database, async (tx) => {
    const expired = await many(tx, expireCheckouts, { merchant })
    if (expired.length > 0) {
      await releaseStock(
        tx,
        merchant,
        expired.map((row) => ({ subjectId: row.id, sourceId: `${row.id}/expired` })),
      )
    }
    return expired.length
  })
}

function asRequest(input: OrderInput): PlaceRequest {
  return { input, source: 'checkout', isTrusted: false, submittedHold: false }
}

// Another build may have opened it: what this one does not know must not be left out of the order in silence. The
// checkout stays open for a process that can read it.
function readInput(stored: unknown): OrderInput {
  const parsed = orderInput.safeParse(stored)
  invariant(parsed.success, 'a checkout holds an order that this build can read')
  return parsed.data
}

/** Why a line of a return stands for no shipped goods. */
export type UnmatchedReason =
  | 'order_missing'
  | 'order_unknown'
  | 'currency_differs'
  | 'sku_not_in_order'
  | 'exceeds_shipped'

/** A line that came back: `orderLine` where the caller knows it, else any line of the SKU will do. */
export type ReturnedGoods = {
  readonly sku: string
  readonly qty: number
  readonly orderRef: string | null
  readonly orderLine: number | null
  readonly unitPriceMinor: number | null
}

/** What of an order can come back: shipped units of a line at a location that are still out. */
export type Outstanding = {
  readonly orderLine: number
  readonly locationId: string
  readonly sku: string
  readonly unitPriceMinor: number
  open: number
}

/** An order as the plan sees it; `outstanding` is mutated by what is planned. */
export type ReturnableOrder = {
  readonly id: string
  readonly currency: string
  readonly skus: ReadonlySet<string>
  readonly outstanding: Outstanding[]
}

/** Units of one order line and location. */
export type ReturnPart = {
  readonly orderId: string
  readonly orderLine: number
  readonly locationId: string
  readonly sku: string
  readonly qty: number
}

/** A line is explained whole or not at all. */
export type ReturnPlan =
  | { readonly kind: 'accepted'; readonly orderId: string; readonly parts: readonly ReturnPart[] }
  | {
      readonly kind: 'unmatched'
      readonly orderId: string | null
      readonly reason: UnmatchedReason
    }

/**
 * Finds the shipped units that a returned line takes back: of the line named, else of the SKU, lines
 * of the same price first, then in order of the lines. Takes them from `order.outstanding` where all
 * of them are there.
 */
export function planReturn(
  goods: ReturnedGoods,
  order: ReturnableOrder | undefined,
  currency: string,
): ReturnPlan {
  const unmatched = (reason: UnmatchedReason): ReturnPlan => ({
    kind: 'unmatched',
    orderId: order?.id ?? null,
    reason,
  })
  if (goods.orderRef === null) return unmatched('order_missing')
  if (!order) return unmatched('order_unknown')
  if (order.currency !== currency) return unmatched('currency_differs')
  if (!order.skus.has(goods.sku)) return unmatched('sku_not_in_order')
  const isOther = (one: Outstanding): number =>
    goods.unitPriceMinor === null || one.unitPriceMinor === goods.unitPriceMinor ? 0 : 1
  const fitting = order.outstanding
    .filter((one) => one.sku === goods.sku && one.open > 0)
    .filter((one) => goods.orderLine === null || one.orderLine === goods.orderLine)
    .toSorted((a, b) => isOther(a) - isOther(b) || a.orderLine - b.orderLine || b.open - a.open)
  if (fitting.reduce((sum, one) => sum + one.open, 0) < goods.qty)
    return unmatched('exceeds_shipped')
  const parts: ReturnPart[] = []
  let wanted = goods.qty
  for (const one of fitting) {
    const qty = Math.min(one.open, wanted)
    if (qty === 0) break
    one.open -= qty
    wanted -= qty
    const { orderLine, locationId, sku } = one
    parts.push({ orderId: order.id, orderLine, locationId, sku, qty })
  }
  return { kind: 'accepted', orderId: order.id, parts }
}

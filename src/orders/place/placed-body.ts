import type { OrderTokens } from '../order-token.ts'
import type { PlacedOrder } from './place-request.ts'
import { shipByText } from '../promise/promise.ts'

/** The answer to a placed order: the same bytes for the first answer and for every replay. */
export function placedBody(order: PlacedOrder, tokens: OrderTokens) {
  const money = (amount: number) => ({ amount, currency: order.currency })
  return {
    id: order.id,
    order_number: order.orderNumber,
    ...(order.reference === null ? {} : { order_id: order.reference }),
    status: 'placed',
    review: { verdict: order.verdict, reasons: order.reasons },
    total: money(order.totalMinor),
    ...(order.shipByMs === null ? {} : { ship_by: shipByText(order.shipByMs) }),
    lines: order.lines.map((line) => ({
      line: line.line,
      sku: line.sku,
      qty: line.qty,
      unit_price: money(line.unit_price_minor),
    })),
    token: tokens.tokenOf(order.id),
  }
}

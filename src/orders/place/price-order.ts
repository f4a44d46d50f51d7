import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { checkOrderSize } from '#wire/index.ts'
import type { OrderLine } from '../order-line.ts'
import type { PlaceRequest } from './place-request.ts'

/** What the catalog says of a SKU, as far as placing an order needs it. */
export type SellableProduct = {
  readonly sku: string
  readonly priceMinor: number
  readonly currency: string
  readonly isActive: boolean
}

/**
 * Numbers and prices the lines: a trusted caller's price where given, the catalog's otherwise.
 * Refuses `order_too_large`, `product_unknown` (not in the catalog, or not for sale) and a currency that
 * is not the product's own.
 */
export function priceOrder(
  request: PlaceRequest,
  products: ReadonlyMap<string, SellableProduct>,
): Outcome<readonly OrderLine[]> {
  const size = checkOrderSize(request.input.lines)
  if (!size.ok) return size
  const lines: OrderLine[] = []
  for (const [index, line] of request.input.lines.entries()) {
    const product = products.get(line.sku)
    if (!product?.isActive) {
      return refuse('product_unknown', `${line.sku} is not in the catalog.`, {
        field: `lines[${index}].sku`,
      })
    }
    if (product.currency !== request.input.currency) {
      return refuse('body_invalid', `${line.sku} is sold in ${product.currency}.`, {
        field: 'currency',
      })
    }
    const given = request.isTrusted ? line.unit_price_minor : undefined
    lines.push({
      line: index + 1,
      sku: line.sku,
      qty: line.qty,
      unit_price_minor: given ?? product.priceMinor,
    })
  }
  return accept(lines)
}

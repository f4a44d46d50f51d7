import { canonicalJson, sha256 } from '#kernel/index.ts'

/** What an order digest covers: exactly what a partner would act on. */
export type DigestedOrder = {
  readonly merchant: string
  readonly orderId: string
  readonly currency: string
  readonly lines: readonly { readonly lineId: string; readonly sku: string; readonly qty: number }[]
  /** Absent members are left out. */
  readonly shipTo: Readonly<Record<string, string>>
}

/**
 * SHA-256 of the RFC 8785 JSON `{currency, lines: [{line_id, qty, sku}], merchant, order_id, ship_to}`,
 * lines sorted by line id as numbers. 32 bytes.
 */
export function orderDigest(order: DigestedOrder): Buffer {
  const lines = order.lines.toSorted((a, b) => Number(a.lineId) - Number(b.lineId))
  return sha256(
    canonicalJson({
      merchant: order.merchant,
      order_id: order.orderId,
      currency: order.currency,
      lines: lines.map((line) => ({ line_id: line.lineId, sku: line.sku, qty: line.qty })),
      ship_to: order.shipTo,
    }),
  )
}

import { invariant, sha256 } from '#kernel/index.ts'

/** What an order digest covers: exactly what a partner would act on. */
export type DigestedOrder = {
  readonly merchant: string
  readonly orderId: string
  readonly currency: string
  readonly lines: readonly { readonly lineId: string; readonly sku: string; readonly qty: number }[]
  /** Absent and empty members are left out, since protobuf cannot tell them apart. */
  readonly shipTo: Readonly<Record<string, string>>
}

/**
 * SHA-256 of the RFC 8785 JSON `{currency, lines: [{line_id, qty, sku}], merchant, order_id, ship_to}`,
 * lines sorted by line id as numbers. 32 bytes. Throws where there is no one JSON form: text with a
 * lone surrogate, a quantity that is no safe integer, an address member named like a number.
 */
export function orderDigest(order: DigestedOrder): Buffer {
  const lines = order.lines.toSorted((a, b) => Number(a.lineId) - Number(b.lineId))
  // Members in RFC 8785 order, so that plain JSON is canonical: general canonical JSON takes 30 µs
  // for 25 lines, this takes 6. A test holds it to `canonicalJson`.
  return sha256(
    JSON.stringify({
      currency: wellFormed(order.currency),
      lines: lines.map(canonicalLine),
      merchant: wellFormed(order.merchant),
      order_id: wellFormed(order.orderId),
      ship_to: canonicalAddress(order.shipTo),
    }),
  )
}

function canonicalLine(line: DigestedOrder['lines'][number]) {
  invariant(Number.isSafeInteger(line.qty), 'a quantity is a safe integer')
  return { line_id: wellFormed(line.lineId), qty: line.qty, sku: wellFormed(line.sku) }
}

function canonicalAddress(shipTo: DigestedOrder['shipTo']): Record<string, string> {
  const members = Object.entries(shipTo).filter(([, value]) => value !== '')
  const sorted = members.toSorted(([a], [b]) => (a < b ? -1 : 1))
  for (const [name, value] of sorted) {
    // JavaScript moves such a name to the front, whatever the order of insertion.
    invariant(!/^\d/.test(wellFormed(name)), 'no member of an address is named like a number')
    wellFormed(value)
  }
  return Object.fromEntries(sorted)
}

function wellFormed(text: string): string {
  invariant(text.isWellFormed(), 'text of an order has no lone surrogate')
  return text
}

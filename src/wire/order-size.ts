import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'

/** Lines of one order, whichever way it comes in; of one parcel and of one return too. */
export const ORDER_LINES_MAX = 5_000
/**
 * Parts that the lines of one order may be split into over stock locations. With lines that fit a
 * sealed body its hand-over record then stays below the 1 MiB of one envelope.
 */
export const ORDER_PARTS_MAX = 7_000
/** The hard limit of one sealed body: 512 KiB. */
export const SEALED_BYTES_MAX = 512 * 1024
/** Room in a sealed body for the fields around the orders: key, digest, batch id, numbers, punctuation. */
export const SEALED_FRAME_BYTES = 1_024
/**
 * Room for all of an order but its lines, at its worst: ids, decision, promise, order key, and the
 * longest address that intake takes (1,418 UTF-16 units of at most 3 bytes).
 */
export const SEALED_ORDER_REST_BYTES = 6 * 1024

/** One line as a sealed body shows it. */
export type SealedLine = { readonly line_id: string; readonly sku: string; readonly qty: number }

/** `"line_id"`, `"qty"` and `"sku"` with quotes, colons, braces and the comma to the next line. */
const LINE_PUNCTUATION_BYTES = '{"line_id":"","qty":,"sku":""},'.length

/** Bytes of the lines of one order as RFC 8785 JSON, their brackets aside. */
export function sealedLinesBytes(lines: readonly SealedLine[]): number {
  let bytes = 0
  for (const { line_id, sku, qty } of lines) {
    bytes += LINE_PUNCTUATION_BYTES + textBytes(line_id) + textBytes(sku) + String(qty).length
  }
  // No comma follows the last line.
  return Math.max(0, bytes - 1)
}

/** True where one order with these lines, and so many bytes beside them, fits a sealed body alone. */
export function fitsSealedBody(linesBytes: number, restBytes: number): boolean {
  return linesBytes + restBytes <= SEALED_BYTES_MAX - SEALED_FRAME_BYTES
}

/**
 * Refuses `order_too_large` where an order could be too large for one sealed body of its partner: all
 * of its lines at one partner, the longest address. A partner that gets a part of it gets fewer bytes.
 */
export function checkOrderSize(
  lines: readonly { readonly sku: string; readonly qty: number }[],
): Outcome<void> {
  const sealed = lines.map(({ sku, qty }, index) => ({ line_id: String(index + 1), sku, qty }))
  const bytes = sealedLinesBytes(sealed)
  if (fitsSealedBody(bytes, SEALED_ORDER_REST_BYTES)) return accept(undefined)
  const room = SEALED_BYTES_MAX - SEALED_FRAME_BYTES - SEALED_ORDER_REST_BYTES
  return refuse(
    'order_too_large',
    `The ${lines.length} lines need ${bytes} bytes in one dispatch; it has room for ${room}. Split the order.`,
    { field: 'lines', meta: { lines: lines.length, bytes, bytes_max: room } },
  )
}

// Of a text in a JSON string. SKUs are ASCII, and only a quote or a backslash of theirs is escaped.
function textBytes(text: string): number {
  return /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/.test(text)
    ? text.length
    : Buffer.byteLength(JSON.stringify(text)) - 2
}

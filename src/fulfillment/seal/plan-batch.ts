import { canonicalJson } from '#kernel/index.ts'
import { SEALED_BYTES_MAX, SEALED_FRAME_BYTES, sealedLinesBytes } from '#wire/index.ts'
import { BATCH_ORDERS_MAX, orderContent } from './seal-body.ts'
import type { SealableOrder } from './seal-body.ts'

/** Which orders go together, and which are too large to go at all. */
export type BatchPlan<T extends SealableOrder> = {
  readonly batches: readonly (readonly T[])[]
  readonly tooLarge: readonly T[]
}

/** `"order_key":"hfo1-…",` and the comma between two orders. */
const ORDER_KEY_BYTES = 64

/**
 * Splits orders, in the order given, into batches of at most 100 orders and 512 KiB of sealed JSON.
 * An order that is above the limit alone is set apart and sent to nobody.
 */
export function planBatches<T extends SealableOrder>(
  orders: readonly T[],
  limits: { readonly ordersMax: number; readonly bytesMax: number } = {
    ordersMax: BATCH_ORDERS_MAX,
    bytesMax: SEALED_BYTES_MAX,
  },
): BatchPlan<T> {
  const batches: T[][] = []
  const tooLarge: T[] = []
  const room = limits.bytesMax - SEALED_FRAME_BYTES
  let held = Number.POSITIVE_INFINITY
  for (const order of orders) {
    const bytes = sealedLinesBytes(order.lines) + restBytes(order)
    if (bytes > room) {
      tooLarge.push(order)
      continue
    }
    const current = batches.at(-1)
    if (!current || held + bytes > room || current.length >= limits.ordersMax) {
      batches.push([order])
      held = bytes
    } else {
      current.push(order)
      held += bytes
    }
  }
  return { batches, tooLarge }
}

/** Bytes of one order in a sealed body beside its lines, its order key and a comma included. */
export function restBytes(order: SealableOrder): number {
  const rest = { ...orderContent(order), lines: [] }
  return Buffer.byteLength(canonicalJson(rest)) + ORDER_KEY_BYTES
}

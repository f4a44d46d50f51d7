import { canonicalJson } from '#kernel/index.ts'
import { BATCH_ORDERS_MAX, orderContent, SEALED_BYTES_MAX } from './seal-body.ts'
import type { SealableOrder } from './seal-body.ts'

/** Which orders go together, and which are too large to go at all. */
export type BatchPlan<T extends SealableOrder> = {
  readonly batches: readonly (readonly T[])[]
  readonly tooLarge: readonly T[]
}

/** Room for the fields around the orders: key, digest, batch id, numbers and punctuation. */
const FRAME_BYTES = 1_024
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
  const room = limits.bytesMax - FRAME_BYTES
  let held = Number.POSITIVE_INFINITY
  for (const order of orders) {
    const bytes = Buffer.byteLength(canonicalJson(orderContent(order))) + ORDER_KEY_BYTES
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

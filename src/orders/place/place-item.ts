import type { OrderName } from '#wire/index.ts'
import type { PlaceRequest } from './place-request.ts'

/** One request on its way: its order id is made before the claim, so that the claim can name it. */
export type PlaceItem = {
  readonly index: number
  readonly request: PlaceRequest
  readonly reference: string | null
  orderId: string
  /** True where `orderId` is an order that exists: the answer is a replay. */
  isKnown: boolean
}

/** What the shop would send again with this order: its reference, else the Idempotency-Key. */
export function nameOf({ reference, request: { idempotency } }: PlaceItem): OrderName | undefined {
  if (reference !== null) return { kind: 'reference', reference }
  if (idempotency === undefined) return undefined
  return { kind: 'key', scope: idempotency.scope, key: idempotency.key }
}

/** The SKUs of some items, each once. */
export function skusOf(items: readonly PlaceItem[]): readonly string[] {
  return [...new Set(items.flatMap((item) => item.request.input.lines.map((line) => line.sku)))]
}

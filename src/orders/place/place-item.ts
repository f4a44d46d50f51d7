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

/** The SKUs of some items, each once. */
export function skusOf(items: readonly PlaceItem[]): readonly string[] {
  return [...new Set(items.flatMap((item) => item.request.input.lines.map((line) => line.sku)))]
}

import { sha256 } from '#kernel/index.ts'
import type { Refusal } from '#kernel/index.ts'
import type { OrderInput } from '../order-input.ts'
import type { OrderLine } from '../order-line.ts'
import { givenShipByMs } from '../promise/promise.ts'

/** An order that somebody wants placed. */
export type PlaceRequest = {
  readonly input: OrderInput
  readonly source: 'http' | 'grpc' | 'import' | 'checkout'
  /** True where the caller may set price, customer, reference and time (`orders:submit`, import). */
  readonly isTrusted: boolean
  /** A HOLD from outside always holds; nothing from outside clears. */
  readonly submittedHold: boolean
  /** The Idempotency-Key with its scope (the caller) and the SHA-256 of the whole request. */
  readonly idempotency?: {
    readonly scope: string
    readonly key: string
    readonly requestSha256: Buffer
  }
  /** Set where a checkout already reserved the stock: its reservation is taken over. */
  readonly checkoutId?: string
}

/** What the caller is told; the same words for the first answer and every replay. */
export type PlacedOrder = {
  readonly id: string
  readonly orderNumber: string
  readonly reference: string | null
  readonly verdict: 'hold' | 'clear' | 'unset'
  readonly reasons: readonly string[]
  readonly currency: string
  readonly totalMinor: number
  /** The promise; null for an order that was taken before there were any. */
  readonly shipByMs: number | null
  readonly lines: readonly OrderLine[]
}

/** The answer to one request: placed now, placed before with the same content, or refused. */
export type PlaceOutcome =
  | { readonly kind: 'placed' | 'replayed'; readonly order: PlacedOrder }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

/**
 * SHA-256 over what an order says, for `order_id` uniqueness: the same content under the same
 * reference is the same order. JSON arrays in a fixed order, so that no canonical form is needed.
 */
export function contentSha256(input: OrderInput): Buffer {
  const charges = input.charges ?? []
  return sha256(
    JSON.stringify([
      input.placed_at === undefined ? null : new Date(input.placed_at).toISOString(),
      input.customer ?? null,
      input.country ?? null,
      input.currency,
      input.lines.map((line) => [line.sku, line.qty, line.unit_price_minor ?? null]),
      charges.map((charge) => [charge.code, charge.qty, charge.unit_price_minor]),
      Object.entries(dropUndefined(input.ship_to ?? {})).toSorted(([a], [b]) => (a < b ? -1 : 1)),
      // At the end and only where it is said: references of older builds keep their digests.
      ...(input.ship_by === undefined ? [] : [givenShipByMs(input.ship_by)]),
    ]),
  )
}

/** An address without its absent members, ready for canonical JSON. */
export function dropUndefined(
  record: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const [key, value] of Object.entries(record)) if (value !== undefined) kept[key] = value
  return kept
}

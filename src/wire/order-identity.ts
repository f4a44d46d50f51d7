import { lengthPrefixed, sha256, sortableDigits } from '#kernel/index.ts'

/** How a shop names an order: by its own reference, else by the Idempotency-Key of a caller (`scope`). */
export type OrderName =
  | { readonly kind: 'reference'; readonly reference: string }
  | { readonly kind: 'key'; readonly scope: string; readonly key: string }

/** The identity of an order that has no name: nobody can tell its repeat. */
export const NO_IDENTITY = 'none'

/**
 * The identity of an order: 26 digits (130 bits) of a SHA-256 over version, merchant and name, which the shop's
 * repeat of the order makes again on any copy of the database. `none` without a name.
 */
export function orderIdentity(merchant: string, name: OrderName | undefined): string {
  if (name === undefined) return NO_IDENTITY
  const fields = name.kind === 'reference' ? [name.reference] : [name.scope, name.key]
  return sortableDigits(
    sha256(lengthPrefixed(['holdfast/order-identity/v1', merchant, name.kind, ...fields])),
    26,
  )
}

/** True for what `orderIdentity` returns. */
export function isIdentity(text: string): boolean {
  return /^([0-9a-v]{26}|none)$/.test(text)
}

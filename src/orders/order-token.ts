import { bytesEqual, deriveKey, hmacSha256 } from '#kernel/index.ts'

/** Makes and checks the unguessable token that lets a buyer see one order. */
export type OrderTokens = {
  readonly tokenOf: (orderId: string) => string
  readonly isTokenOf: (orderId: string, token: string) => boolean
}

/**
 * Tokens are HMAC-SHA256 of the order id under a key of the master key (info `holdfast/order-token/v1`),
 * base64url, 43 characters: nothing to store, nothing to leak from a backup.
 */
export function orderTokens(masterKey: Uint8Array): OrderTokens {
  const key = deriveKey(masterKey, 'holdfast/order-token/v1')
  const bytesOf = (orderId: string): Buffer => hmacSha256(key, orderId)
  return {
    tokenOf: (orderId) => bytesOf(orderId).toString('base64url'),
    isTokenOf: (orderId, token) => bytesEqual(bytesOf(orderId), Buffer.from(token, 'base64url')),
  }
}

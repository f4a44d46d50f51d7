import * as webhooks from '#platform/webhooks/index.ts'

/** Which secret: the associated data binds the ciphertext to its own row. */
export type SecretPlace = {
  readonly merchant: string
  readonly partner: string
  readonly direction: 'dispatch' | 'event'
  readonly number: number
}

/** Seals a secret of a partner under the master key (AES-256-GCM). */
export function sealSecret(masterKey: Uint8Array, place: SecretPlace, secret: string): Buffer {
  return webhooks.sealSecret(masterKey, placeText(place), secret)
}

/** Opens a sealed secret. Throws where the key, the place or a byte is not the one it was sealed with. */
export function openSecret(masterKey: Uint8Array, place: SecretPlace, sealed: Buffer): string {
  return webhooks.openSecret(masterKey, placeText(place), sealed)
}

const placeText = (place: SecretPlace): string =>
  `${place.merchant}|${place.partner}|${place.direction}|${place.number}`

import { randomBytes } from 'node:crypto'
import { invariant } from '#kernel/index.ts'

const PREFIX = 'whsec_'
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** A new symmetric secret of Standard Webhooks 1.0.0: `whsec_` and 32 random bytes in base64. */
export function newWebhookSecret(): string {
  return PREFIX + randomBytes(32).toString('base64')
}

/** True where the text is `whsec_` and the base64 of 24 to 64 bytes, as Standard Webhooks asks. */
export function isWebhookSecret(text: string): boolean {
  const encoded = text.slice(PREFIX.length)
  if (!text.startsWith(PREFIX) || !BASE64.test(encoded)) return false
  const length = Buffer.from(encoded, 'base64').length
  return length >= 24 && length <= 64
}

/** The bytes of a secret. Throws, without the secret in the message, where it is not one. */
export function secretBytes(secret: string): Buffer {
  invariant(isWebhookSecret(secret), 'a webhook secret is whsec_ and base64 of 24 to 64 bytes')
  return Buffer.from(secret.slice(PREFIX.length), 'base64')
}

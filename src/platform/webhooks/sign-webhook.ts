import { createHmac } from 'node:crypto'
import { invariant } from '#kernel/index.ts'
import { secretBytes } from './secret.ts'
import { asymmetricSignature } from './sign-asymmetric.ts'

/** The three headers of Standard Webhooks 1.0.0. */
export type WebhookHeaders = {
  readonly 'webhook-id': string
  readonly 'webhook-timestamp': string
  readonly 'webhook-signature': string
}

/** `id.timestamp.body` is only unambiguous where an id cannot hold a dot. */
export const WEBHOOK_ID = /^[A-Za-z0-9_-]{1,64}$/

/**
 * Signs raw bytes by Standard Webhooks 1.0.0 (`v1`, HMAC-SHA256). `timestampS` is Unix seconds.
 * With several secrets (rotation, newest first) the header carries one signature for each. A
 * `secretKey` (`whsk_`) adds a `v1a` (Ed25519) behind them: no official library verifies it alone.
 */
export function signWebhook(message: {
  readonly secret: string | readonly string[]
  readonly id: string
  readonly timestampS: number
  readonly body: Uint8Array
  readonly secretKey?: string
}): WebhookHeaders {
  invariant(WEBHOOK_ID.test(message.id), 'a webhook id is 1 to 64 of A-Z a-z 0-9 _ -')
  invariant(Number.isSafeInteger(message.timestampS), 'a webhook timestamp is whole seconds')
  const timestamp = String(message.timestampS)
  const secrets = typeof message.secret === 'string' ? [message.secret] : message.secret
  invariant(secrets.length > 0, 'a webhook is signed with at least one secret')
  const signatures = secrets.map((secret) => {
    const signature = webhookSignature({ ...message, secret, timestamp })
    return `v1,${signature.toString('base64')}`
  })
  if (message.secretKey !== undefined) {
    const signature = asymmetricSignature({ ...message, secret: message.secretKey, timestamp })
    signatures.push(`v1a,${signature.toString('base64')}`)
  }
  return {
    'webhook-id': message.id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.join(' '),
  }
}

/** HMAC-SHA256 of `id.timestamp.body`, over the bytes as they are; 32 bytes. */
export function webhookSignature(message: {
  readonly secret: string
  readonly id: string
  readonly timestamp: string
  readonly body: Uint8Array
}): Buffer {
  return createHmac('sha256', secretBytes(message.secret))
    .update(`${message.id}.${message.timestamp}.`)
    .update(message.body)
    .digest()
}

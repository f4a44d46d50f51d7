import { accept, bytesEqual, refuse } from '#kernel/index.ts'
import type { Outcome, Refusal } from '#kernel/index.ts'
import { WEBHOOK_ID, webhookSignature } from './sign-webhook.ts'

/** A verified webhook. `secretIndex` tells which of the given secrets signed it. */
export type VerifiedWebhook = {
  readonly id: string
  readonly timestampS: number
  readonly secretIndex: number
}

const TOLERANCE_S = 300
const TIMESTAMP = /^[0-9]{10}$/
const SIGNATURE = /^v1,([A-Za-z0-9+/]{43}=)$/
const SIGNATURES_MAX = 16

/**
 * Verifies a Standard Webhooks 1.0.0 message over its raw bytes, in constant time, within ±300 s of
 * `nowS` (Unix seconds). Stricter than the official library: ten-digit timestamp, dot-free id, no
 * text decoding of the body. Every failure is one refusal, `signature_invalid`.
 */
export function verifyWebhook(message: {
  readonly secrets: readonly string[]
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Uint8Array
  readonly nowS: number
}): Outcome<VerifiedWebhook, Refusal<'signature_invalid'>> {
  const id = message.headers['webhook-id'] ?? ''
  const timestamp = message.headers['webhook-timestamp'] ?? ''
  const given = (message.headers['webhook-signature'] ?? '').split(' ')
  if (!WEBHOOK_ID.test(id)) return invalid('webhook-id is missing or not 1 to 64 of A-Za-z0-9_-')
  if (!TIMESTAMP.test(timestamp)) return invalid('webhook-timestamp is not ten digits')
  if (Math.abs(message.nowS - Number(timestamp)) > TOLERANCE_S) {
    return invalid('webhook-timestamp is more than 300 s from our clock')
  }
  if (given.length > SIGNATURES_MAX) return invalid('webhook-signature has too many signatures')
  const signatures = given.flatMap((one) => {
    const encoded = SIGNATURE.exec(one)?.[1]
    return encoded === undefined ? [] : [Buffer.from(encoded, 'base64')]
  })
  // Every pair is compared, so that the time taken does not tell which secret matched.
  let secretIndex = -1
  for (const [index, secret] of message.secrets.entries()) {
    const expected = webhookSignature({ secret, id, timestamp, body: message.body })
    for (const signature of signatures) {
      if (bytesEqual(expected, signature) && secretIndex < 0) secretIndex = index
    }
  }
  if (secretIndex < 0) return invalid('no webhook-signature matches')
  return accept({ id, timestampS: Number(timestamp), secretIndex })
}

const invalid = (detail: string) => refuse('signature_invalid', detail)

import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { invariant } from '#kernel/index.ts'

const SECRET_PREFIX = 'whsk_'
const PUBLIC_PREFIX = 'whpk_'
// RFC 8410: what stands before the 32 bytes of an Ed25519 key in PKCS #8 and in SubjectPublicKeyInfo.
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

/** A key pair of Standard Webhooks 1.0.0: the secret stays here, the partner gets the public key. */
export type WebhookKeyPair = { readonly secret: string; readonly publicKey: string }

/** A new Ed25519 pair (RFC 8032): `whsk_` and base64 of seed and public key, `whpk_` and base64. */
export function newWebhookKeyPair(): WebhookKeyPair {
  const { privateKey } = generateKeyPairSync('ed25519')
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(PKCS8.length)
  const open = publicBytes(privateKey)
  return {
    secret: SECRET_PREFIX + Buffer.concat([seed, open]).toString('base64'),
    publicKey: PUBLIC_PREFIX + open.toString('base64'),
  }
}

/** True where the text is `whsk_` and base64 of a 32-byte seed, with its own public key or without. */
export function isWebhookSecretKey(text: string): boolean {
  if (!/^whsk_[A-Za-z0-9+/]+={0,2}$/.test(text)) return false
  const bytes = Buffer.from(text.slice(SECRET_PREFIX.length), 'base64')
  if (bytes.length === 32) return true
  // A public half that belongs to another seed would sign what nobody can verify.
  return bytes.length === 64 && publicBytes(privateKeyOf(bytes)).equals(bytes.subarray(32))
}

/** The public key of a secret key: `whpk_` and base64 of 32 bytes. Throws where it is none. */
export function webhookPublicKey(secret: string): string {
  return PUBLIC_PREFIX + publicBytes(secretKey(secret)).toString('base64')
}

/** Ed25519 over `id.timestamp.body`, the bytes as they are; 64 bytes, always the same ones. */
export function asymmetricSignature(message: {
  readonly secret: string
  readonly id: string
  readonly timestamp: string
  readonly body: Uint8Array
}): Buffer {
  const head = Buffer.from(`${message.id}.${message.timestamp}.`)
  return sign(null, Buffer.concat([head, message.body]), secretKey(message.secret))
}

function secretKey(secret: string): KeyObject {
  invariant(
    isWebhookSecretKey(secret),
    'a webhook secret key is whsk_ and base64 of an Ed25519 key',
  )
  return privateKeyOf(Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64'))
}

function privateKeyOf(bytes: Buffer): KeyObject {
  const der = Buffer.concat([PKCS8, bytes.subarray(0, 32)])
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
}

function publicBytes(key: KeyObject): Buffer {
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(SPKI.length)
}

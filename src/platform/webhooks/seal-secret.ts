import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { deriveKey } from '#kernel/index.ts'

const NONCE_BYTES = 12
const TAG_BYTES = 16

/**
 * Seals a secret with AES-256-GCM under HKDF(master, `holdfast/secrets/v1`): nonce, text, tag. `place`
 * names the row it is for and binds the ciphertext to it.
 */
export function sealSecret(masterKey: Uint8Array, place: string, secret: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', secretsKey(masterKey), nonce)
  cipher.setAAD(Buffer.from(place))
  return Buffer.concat([nonce, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()])
}

/** Opens a sealed secret. Throws where the key, the place or a byte is not the one it was sealed with. */
export function openSecret(masterKey: Uint8Array, place: string, sealed: Buffer): string {
  const nonce = sealed.subarray(0, NONCE_BYTES)
  const tag = sealed.subarray(sealed.length - TAG_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', secretsKey(masterKey), nonce, {
    authTagLength: TAG_BYTES,
  })
  decipher.setAAD(Buffer.from(place))
  decipher.setAuthTag(tag)
  const text = sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES)
  return Buffer.concat([decipher.update(text), decipher.final()]).toString('utf8')
}

const secretsKey = (masterKey: Uint8Array) => deriveKey(masterKey, 'holdfast/secrets/v1')

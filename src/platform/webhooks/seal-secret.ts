import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { base32, deriveKey } from '#kernel/index.ts'

const NONCE_BYTES = 12
const TAG_BYTES = 16
const KEY_ID_BYTES = 10
/** `hfs` and the version of the form, 1. Earlier builds wrote neither, nor the id of the key. */
const MAGIC = Buffer.from([0x68, 0x66, 0x73, 0x01])
const HEADER_BYTES = MAGIC.length + KEY_ID_BYTES

/** The id of a master key: `mk_` and 80 bits by HKDF (`holdfast/master-key-id/v1`), which tell nothing of it. */
export function masterKeyId(masterKey: Uint8Array): string {
  return `mk_${base32(keyIdBytes(masterKey))}`
}

/**
 * Seals a secret with AES-256-GCM under HKDF(master, `holdfast/secrets/v1`): version, key id, nonce, text,
 * tag. Version and key id are authenticated too, and so is `place`, which names the row it is for.
 */
export function sealSecret(masterKey: Uint8Array, place: string, secret: string): Buffer {
  const header = Buffer.concat([MAGIC, keyIdBytes(masterKey)])
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', secretsKey(masterKey), nonce)
  cipher.setAAD(Buffer.concat([header, Buffer.from(place)]))
  const text = [cipher.update(secret, 'utf8'), cipher.final()]
  return Buffer.concat([header, nonce, ...text, cipher.getAuthTag()])
}

/** False for the form of earlier builds: nonce, text and tag alone. */
export function namesItsKey(sealed: Buffer): boolean {
  return sealed.subarray(0, MAGIC.length).equals(MAGIC)
}

/** The id of the key that sealed it; undefined for the form of earlier builds. */
export function keyIdOf(sealed: Buffer): string | undefined {
  return namesItsKey(sealed)
    ? `mk_${base32(sealed.subarray(MAGIC.length, HEADER_BYTES))}`
    : undefined
}

/**
 * Opens a sealed secret, also one of an earlier build. Throws if the key, the place or a byte is not the
 * one it was sealed with; another key is named by its id.
 */
export function openSecret(masterKey: Uint8Array, place: string, sealed: Buffer): string {
  const sealedBy = keyIdOf(sealed)
  if (sealedBy === undefined) return decipher(masterKey, Buffer.from(place), sealed)
  if (sealedBy !== masterKeyId(masterKey)) {
    throw new Error(`a stored secret was sealed with another master key, ${sealedBy}`)
  }
  const header = sealed.subarray(0, HEADER_BYTES)
  const aad = Buffer.concat([header, Buffer.from(place)])
  return decipher(masterKey, aad, sealed.subarray(HEADER_BYTES))
}

function decipher(masterKey: Uint8Array, aad: Buffer, box: Buffer): string {
  const nonce = box.subarray(0, NONCE_BYTES)
  const made = createDecipheriv('aes-256-gcm', secretsKey(masterKey), nonce, {
    authTagLength: TAG_BYTES,
  })
  made.setAAD(aad)
  made.setAuthTag(box.subarray(box.length - TAG_BYTES))
  const text = box.subarray(NONCE_BYTES, box.length - TAG_BYTES)
  return Buffer.concat([made.update(text), made.final()]).toString('utf8')
}

const secretsKey = (masterKey: Uint8Array) => deriveKey(masterKey, 'holdfast/secrets/v1')
const keyIdBytes = (masterKey: Uint8Array) =>
  deriveKey(masterKey, 'holdfast/master-key-id/v1').subarray(0, KEY_ID_BYTES)

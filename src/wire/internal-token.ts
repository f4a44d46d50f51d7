import { bytesEqual, deriveKey, sha256 } from '#kernel/index.ts'

/** The bearer token between roles of one installation: HKDF(master, `holdfast/internal/v1`). */
export function internalToken(masterKey: Uint8Array): string {
  return deriveKey(masterKey, 'holdfast/internal/v1').toString('base64url')
}

/** True where an `authorization` header carries the token; compared in constant time. */
export function isInternalCaller(masterKey: Uint8Array, authorization: string | null): boolean {
  return bytesEqual(sha256(authorization ?? ''), sha256(`Bearer ${internalToken(masterKey)}`))
}

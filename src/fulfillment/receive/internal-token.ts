import { bytesEqual, sha256 } from '#kernel/index.ts'
import { internalToken } from '#orders/index.ts'

/** True where an `authorization` header carries the installation's token; compared in constant time. */
export function isInternalCaller(masterKey: Uint8Array, authorization: string | null): boolean {
  return bytesEqual(sha256(authorization ?? ''), sha256(`Bearer ${internalToken(masterKey)}`))
}

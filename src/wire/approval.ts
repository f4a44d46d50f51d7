import { base32, bytesEqual, deriveKey, hmacSha256, lengthPrefixed, sha256 } from '#kernel/index.ts'

/** A key that signs or verifies approvals; `id` travels with the certificate. */
export type ReviewKey = { readonly id: string; readonly key: Buffer }
/** The key that signs, and every key (at most two) that may still verify. */
export type ReviewKeys = { readonly signing: ReviewKey; readonly verifying: readonly ReviewKey[] }

/** What an approval certifies. Times are milliseconds since the epoch. */
export type ApprovalFacts = {
  readonly merchant: string
  readonly orderId: string
  readonly orderDigest: Uint8Array
  readonly verdict: 'clear'
  readonly decisionId: string
  readonly decisionNumber: number
  readonly effectiveAtMs: number
}

/** Review keys of an installation: HKDF-SHA256 of the master key, info `holdfast/review/v1`. */
export function reviewKeys(masterKey: Uint8Array, previousMasterKey?: Uint8Array): ReviewKeys {
  const signing = keyOf(masterKey)
  const verifying = previousMasterKey ? [signing, keyOf(previousMasterKey)] : [signing]
  return { signing, verifying }
}

/** The certificate of a CLEAR: HMAC-SHA256 over length-prefixed fields, 32 bytes. */
export function signApproval(key: ReviewKey, facts: ApprovalFacts): Buffer {
  return hmacSha256(key.key, signedBytes(key.id, facts))
}

/** True where one of the keys, found by its id, made this certificate over these facts. */
export function verifyApproval(
  keys: ReviewKeys,
  keyId: string,
  facts: ApprovalFacts,
  approval: Uint8Array,
): boolean {
  const key = keys.verifying.find((one) => one.id === keyId)
  return key !== undefined && bytesEqual(signApproval(key, facts), approval)
}

function keyOf(masterKey: Uint8Array): ReviewKey {
  const key = deriveKey(masterKey, 'holdfast/review/v1')
  return { id: `rk_${base32(sha256(key).subarray(0, 5))}`, key }
}

function signedBytes(keyId: string, facts: ApprovalFacts): Buffer {
  return lengthPrefixed([
    'holdfast/approval/v1',
    keyId,
    facts.merchant,
    facts.orderId,
    facts.orderDigest,
    facts.verdict,
    facts.decisionId,
    String(facts.decisionNumber),
    String(facts.effectiveAtMs),
  ])
}

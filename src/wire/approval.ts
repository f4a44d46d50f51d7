import { base32, bytesEqual, deriveKey, hmacSha256, lengthPrefixed, sha256 } from '#kernel/index.ts'

/** A key that signs or verifies approvals; `id` travels with the certificate. */
export type ReviewKey = { readonly id: string; readonly key: Buffer }
/** The key that signs, and every key (at most two) that may still verify. */
export type ReviewKeys = { readonly signing: ReviewKey; readonly verifying: readonly ReviewKey[] }

/** Units of a line at one location, as a certificate covers them. */
export type ApprovedAllocation = {
  readonly line: number
  readonly locationId: string
  readonly qty: number
}

/** The unit price of a line in minor units; null if nobody said it. */
export type ApprovedPrice = { readonly line: number; readonly unitPriceMinor: number | null }

/** What a certificate proves: a decision about exactly this content. Times are milliseconds since the epoch. */
export type ApprovalFacts = {
  readonly merchant: string
  readonly orderId: string
  readonly orderDigest: Uint8Array
  /** A HOLD is certified too, so that one forged on the way gives way to the one that was decided. */
  readonly verdict: 'clear' | 'hold'
  readonly decisionId: string
  readonly decisionNumber: number
  readonly effectiveAtMs: number
  readonly orderNumber: string
  readonly revision: number
  /** In any order: they are sorted before they are signed. */
  readonly allocations: readonly ApprovedAllocation[]
  /** The promise; null where the order has none. */
  readonly shipByMs: number | null
  /** The identity of the order or `none`; empty for an order of an earlier build. */
  readonly identity: string
  /** The unit price of each line, in any order; read only if the order has said its identity. */
  readonly unitPrices: readonly ApprovedPrice[]
}

/**
 * The form of a certificate. 1, of release 0.1.0, leaves out order number, revision, allocations and
 * promise, 2 the promise, 3 identity and unit prices. All still verify, since decisions are kept for ever. 3 is made
 * only for an order of an earlier build, which has no identity.
 */
export type ApprovalVersion = 1 | 2 | 3 | 4

/** Review keys of an installation: HKDF-SHA256 of the master key, info `holdfast/review/v1`. */
export function reviewKeys(masterKey: Uint8Array, previousMasterKey?: Uint8Array): ReviewKeys {
  const signing = keyOf(masterKey)
  const verifying = previousMasterKey ? [signing, keyOf(previousMasterKey)] : [signing]
  return { signing, verifying }
}

/** The certificate of a decision, version 4 (3 for an order without identity): HMAC-SHA256 of its fields, 32 bytes. */
export function signApproval(key: ReviewKey, facts: ApprovalFacts): Buffer {
  return hmacSha256(key.key, signedBytes(facts.identity === '' ? 3 : 4, key.id, facts))
}

/** The version in which one of the keys, found by its id, certified these facts; else undefined. */
export function approvalVersion(
  keys: ReviewKeys,
  keyId: string,
  facts: ApprovalFacts,
  approval: Uint8Array,
): ApprovalVersion | undefined {
  const key = keys.verifying.find((one) => one.id === keyId)
  if (!key) return undefined
  return versionsFor(facts).find((version) =>
    bytesEqual(hmacSha256(key.key, signedBytes(version, key.id, facts)), approval),
  )
}

// What an older certificate says nothing of is nobody's: an order that has it needs one that covers it.
function versionsFor(facts: ApprovalFacts): readonly ApprovalVersion[] {
  if (facts.identity !== '') return [4]
  return facts.shipByMs === null ? [3, 2, 1] : [3]
}

/** True where one of the keys made this certificate, in any version, over these facts. */
export function verifyApproval(
  keys: ReviewKeys,
  keyId: string,
  facts: ApprovalFacts,
  approval: Uint8Array,
): boolean {
  return approvalVersion(keys, keyId, facts, approval) !== undefined
}

function keyOf(masterKey: Uint8Array): ReviewKey {
  const key = deriveKey(masterKey, 'holdfast/review/v1')
  return { id: `rk_${base32(sha256(key).subarray(0, 5))}`, key }
}

function signedBytes(version: ApprovalVersion, keyId: string, facts: ApprovalFacts): Buffer {
  return lengthPrefixed([
    `holdfast/approval/v${version}`,
    keyId,
    facts.merchant,
    facts.orderId,
    facts.orderDigest,
    facts.verdict,
    facts.decisionId,
    String(facts.decisionNumber),
    String(facts.effectiveAtMs),
    ...(version === 1
      ? []
      : [facts.orderNumber, String(facts.revision), allocationText(facts.allocations)]),
    ...(version >= 3 ? [facts.shipByMs === null ? '' : String(facts.shipByMs)] : []),
    ...(version >= 4 ? [facts.identity, priceText(facts.unitPrices)] : []),
  ])
}

// RFC 8785 JSON of [[line, location, units], ...] in one order, since a database gives them in any.
function allocationText(allocations: readonly ApprovedAllocation[]): string {
  const sorted = allocations.toSorted(
    (a, b) => a.line - b.line || compareText(a.locationId, b.locationId) || a.qty - b.qty,
  )
  return JSON.stringify(sorted.map((one) => [one.line, one.locationId, one.qty]))
}

// RFC 8785 JSON of [[line, minor units], ...] by line.
function priceText(prices: readonly ApprovedPrice[]): string {
  const sorted = prices.toSorted((a, b) => a.line - b.line)
  return JSON.stringify(sorted.map((one) => [one.line, one.unitPriceMinor]))
}

function compareText(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}

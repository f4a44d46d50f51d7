import { base32, bytesEqual, deriveKey, hmacSha256, lengthPrefixed, sha256 } from '#kernel/index.ts'

/** What a seal vouches for: these bytes, under this key, for this partner and dispatch alone. */
export type SealFacts = {
  readonly merchant: string
  readonly partner: string
  readonly dispatch: string
  readonly key: string
  readonly bytes: Uint8Array
}

/** The proof beside the sealed bytes: HMAC-SHA256 and the id of the key that made it. */
export type SealProof = { readonly keyId: string; readonly mac: Buffer }

/**
 * Makes and checks the proof that this installation sealed a body. A row written by hand, by whoever
 * may write SQL as the runtime role, has none: its bytes are never sent.
 */
export type SealProver = {
  readonly prove: (facts: SealFacts) => SealProof
  /** False for an unknown key id, a missing proof and any other fact or byte. */
  readonly isProven: (facts: SealFacts, proof: Partial<Nullable<SealProof>>) => boolean
}

type Nullable<T> = { readonly [K in keyof T]: T[K] | null }

/** A prover by HKDF-SHA256 of the master key, info `holdfast/seal/v1`; the key before still verifies. */
export function sealProver(masterKey: Uint8Array, previousMasterKey?: Uint8Array): SealProver {
  const signing = keyOf(masterKey)
  const verifying = previousMasterKey ? [signing, keyOf(previousMasterKey)] : [signing]
  return {
    prove: (facts) => ({ keyId: signing.id, mac: macOf(signing, facts) }),
    isProven(facts, { keyId, mac }) {
      const key = verifying.find((one) => one.id === keyId)
      return key !== undefined && mac != null && bytesEqual(macOf(key, facts), mac)
    },
  }
}

type SealKey = { readonly id: string; readonly key: Buffer }

function keyOf(masterKey: Uint8Array): SealKey {
  const key = deriveKey(masterKey, 'holdfast/seal/v1')
  return { id: `sk_${base32(sha256(key).subarray(0, 5))}`, key }
}

function macOf({ id, key }: SealKey, facts: SealFacts): Buffer {
  const { merchant, partner, dispatch, key: idempotencyKey, bytes } = facts
  return hmacSha256(
    key,
    lengthPrefixed([
      'holdfast/seal/v1',
      id,
      merchant,
      partner,
      dispatch,
      idempotencyKey,
      sha256(bytes),
    ]),
  )
}

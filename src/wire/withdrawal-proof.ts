import { bytesEqual, deriveKey, hmacSha256, lengthPrefixed } from '#kernel/index.ts'
import type { WithdrawResponse } from './gen/holdfast/fulfillment/v1/handoff_pb.js'

/** What an answer to a withdrawal says, without its proof. */
export type WithdrawalAnswer = Pick<
  WithdrawResponse,
  'withdrawalId' | 'outcome' | 'orderId' | 'revision' | 'kind' | 'freedLocations'
>

/**
 * The proof of an answer: HMAC-SHA256 over its length-prefixed fields, under HKDF(master,
 * `holdfast/withdrawal/v1`), 32 bytes. A SHIPPED that arrived as WITHDRAWN would sell the goods twice.
 */
export function proveWithdrawal(masterKey: Uint8Array, answer: WithdrawalAnswer): Buffer {
  const { withdrawalId, outcome, orderId, revision, kind, freedLocations } = answer
  const plain = [withdrawalId, String(outcome), orderId, String(revision), String(kind)]
  // Length-prefixed, so that a location can be taken for no other field.
  const fields = [...plain, ...freedLocations]
  return hmacSha256(deriveKey(masterKey, 'holdfast/withdrawal/v1'), lengthPrefixed(fields))
}

/** True where an answer carries the proof of what it says; compared in constant time. */
export function isProvenWithdrawal(masterKey: Uint8Array, answer: WithdrawResponse): boolean {
  return bytesEqual(proveWithdrawal(masterKey, answer), answer.proof)
}

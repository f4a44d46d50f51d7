import { bytesEqual, deriveKey, hmacSha256, lengthPrefixed } from '#kernel/index.ts'
import type {
  DecidePart,
  DecideRequest,
  DecideResponse,
} from './gen/holdfast/fulfillment/v1/handoff_pb.js'

/** What a question about a decision says, without its proof. */
export type DecisionQuestion = Pick<
  DecideRequest,
  'merchant' | 'orderId' | 'decisionId' | 'revision' | 'action'
>

type Part = Pick<DecidePart, 'fulfillmentId' | 'partnerId' | 'locationId' | 'state' | 'parcels'>

/** What an answer to a question about a decision says, without its proof. */
export type DecisionAnswer = Pick<
  DecideResponse,
  'decisionId' | 'orderId' | 'revision' | 'action' | 'outcome'
> & { readonly parts: Part[] }

/**
 * The proof of a question: HMAC-SHA256 over its length-prefixed fields, under HKDF(master,
 * `holdfast/decision/v1`), 32 bytes. A changed order id would hold one order and leave another to ship.
 */
export function proveDecisionQuestion(masterKey: Uint8Array, asked: DecisionQuestion): Buffer {
  const { merchant, orderId, decisionId, revision, action } = asked
  return proof(masterKey, ['question', merchant, orderId, decisionId, `${revision}`, `${action}`])
}

/**
 * The proof of an answer, made like that of a question. A SHIPPED that arrived as STANDS would tell a
 * person that goods are held that have left.
 */
export function proveDecisionAnswer(masterKey: Uint8Array, answer: DecisionAnswer): Buffer {
  const { decisionId, orderId, revision, action, outcome, parts } = answer
  const plain = ['answer', decisionId, orderId, `${revision}`, `${action}`, `${outcome}`]
  const told = parts.flatMap((one) => [
    one.fulfillmentId,
    one.partnerId,
    one.locationId,
    `${one.state}`,
    `${one.parcels}`,
  ])
  return proof(masterKey, [...plain, ...told])
}

/** True if a question carries the proof of what it asks; compared in constant time. */
export function isProvenDecisionQuestion(masterKey: Uint8Array, asked: DecideRequest): boolean {
  return bytesEqual(proveDecisionQuestion(masterKey, asked), asked.proof)
}

/** True if an answer carries the proof of what it says; compared in constant time. */
export function isProvenDecisionAnswer(masterKey: Uint8Array, answer: DecideResponse): boolean {
  return bytesEqual(proveDecisionAnswer(masterKey, answer), answer.proof)
}

const proof = (masterKey: Uint8Array, fields: readonly string[]): Buffer =>
  hmacSha256(deriveKey(masterKey, 'holdfast/decision/v1'), lengthPrefixed(fields))

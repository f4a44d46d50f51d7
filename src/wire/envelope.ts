import { create } from '@bufbuild/protobuf'
import { sha256 } from '#kernel/index.ts'
import { HandOverRequestSchema } from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import type { EnvelopeKind, HandOverRequest } from './gen/holdfast/fulfillment/v1/handoff_pb.js'

/** The version of the payload schema; a receiver refuses any other. */
export const SCHEMA_VERSION = 1
/** Chunks aim at this many payload bytes, far below every limit of the path. */
export const CHUNK_BYTES = 256 * 1024
/** Hard limits, the same at both ends: bytes of one payload, of a batch, and records of a batch. */
export const HAND_OVER_LIMITS = {
  envelopeBytesMax: 1024 * 1024,
  batchBytesMax: 32 * 1024 * 1024,
  recordsMax: 1_000,
} as const

/** Bytes of one gRPC message, the same at both ends: an envelope and room for what is around it. */
export const MESSAGE_BYTES_MAX = 2 * HAND_OVER_LIMITS.envelopeBytesMax

/** Seals one payload into its envelope. */
export function sealEnvelope(
  sequence: number,
  kind: EnvelopeKind,
  payload: Uint8Array,
): HandOverRequest {
  return create(HandOverRequestSchema, {
    sequence,
    kind,
    schemaVersion: SCHEMA_VERSION,
    length: payload.length,
    sha256: sha256(payload),
    payload,
  })
}

/** SHA-256 over each record's order id and decision number, in order. */
export function recordsDigest(
  records: readonly { readonly orderId: string; readonly decisionNumber: number }[],
): Buffer {
  return sha256(records.map((one) => `${one.orderId}\n${one.decisionNumber}\n`).join(''))
}

/** SHA-256 over the SHA-256 of every payload, in order. */
export function rollingDigest(payloadDigests: readonly Uint8Array[]): Buffer {
  return sha256(Buffer.concat(payloadDigests))
}

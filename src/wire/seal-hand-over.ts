import { create, toBinary } from '@bufbuild/protobuf'
import { accept, refuse, sha256 } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import {
  CHUNK_BYTES,
  HAND_OVER_LIMITS,
  recordsDigest,
  rollingDigest,
  sealEnvelope,
} from './envelope.ts'
import {
  EndSchema,
  EnvelopeKind,
  ManifestSchema,
  RecordChunkSchema,
} from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import type { HandOverRequest } from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import { toMessage } from './hand-over-record.ts'
import type { HandOverRecord } from './hand-over-record.ts'

/** A batch ready to be streamed, and what its receipt must echo. */
export type SealedHandOver = {
  readonly batchId: string
  readonly envelopes: readonly HandOverRequest[]
  readonly digest: Buffer
  readonly records: number
}

/**
 * Seals decisions with their orders: manifest first, chunks of about 256 KiB, END last. Refuses
 * `handover_too_large` above the hard limits and names them, `payload_malformed` for a batch of none.
 */
export function sealHandOver(batch: {
  batchId: string
  merchant: string
  provenance: string
  records: readonly HandOverRecord[]
}): Outcome<SealedHandOver> {
  const { records } = batch
  if (records.length === 0) return refuse('payload_malformed', 'A batch holds at least one record.')
  if (records.length > HAND_OVER_LIMITS.recordsMax) {
    return refuse(
      'handover_too_large',
      `A batch holds at most ${HAND_OVER_LIMITS.recordsMax} records.`,
    )
  }
  const chunks = chunk(records)
  const payloads = [manifestOf(batch), ...chunks]
  const giant = payloads.find((payload) => payload.length > HAND_OVER_LIMITS.envelopeBytesMax)
  const bytes = payloads.reduce((sum, payload) => sum + payload.length, 0)
  if (giant || bytes > HAND_OVER_LIMITS.batchBytesMax) {
    return refuse(
      'handover_too_large',
      `An envelope holds at most ${HAND_OVER_LIMITS.envelopeBytesMax} bytes, a batch ${HAND_OVER_LIMITS.batchBytesMax}.`,
    )
  }
  const digest = rollingDigest(payloads.map((payload) => sha256(payload)))
  const end = toBinary(
    EndSchema,
    create(EndSchema, {
      envelopeCount: payloads.length + 1,
      recordCount: records.length,
      payloadBytes: BigInt(bytes),
      rollingDigest: digest,
    }),
  )
  const envelopes = [
    ...payloads.map((payload, index) =>
      sealEnvelope(index + 1, index === 0 ? EnvelopeKind.MANIFEST : EnvelopeKind.RECORDS, payload),
    ),
    sealEnvelope(payloads.length + 1, EnvelopeKind.END, end),
  ]
  return accept({ batchId: batch.batchId, envelopes, digest, records: records.length })
}

function manifestOf(batch: {
  batchId: string
  merchant: string
  provenance: string
  records: readonly HandOverRecord[]
}): Uint8Array {
  const count = (verdict: HandOverRecord['verdict']): number =>
    batch.records.filter((one) => one.verdict === verdict).length
  return toBinary(
    ManifestSchema,
    create(ManifestSchema, {
      batchId: batch.batchId,
      merchant: batch.merchant,
      recordCount: batch.records.length,
      lineCount: batch.records.reduce((sum, one) => sum + one.lines.length, 0),
      holdCount: count('hold'),
      clearCount: count('clear'),
      unspecifiedCount: count('unspecified'),
      recordsDigest: recordsDigest(batch.records),
      provenance: batch.provenance,
    }),
  )
}

// Concatenated protobuf messages merge their repeated fields, so chunks are built from whole records.
function chunk(records: readonly HandOverRecord[]): Uint8Array[] {
  const chunks: Uint8Array[] = []
  let open: Uint8Array[] = []
  let bytes = 0
  const close = (): void => {
    if (open.length > 0) chunks.push(Buffer.concat(open))
    open = []
    bytes = 0
  }
  for (const record of records) {
    const one = toBinary(
      RecordChunkSchema,
      create(RecordChunkSchema, { records: [toMessage(record)] }),
    )
    if (bytes + one.length > CHUNK_BYTES) close()
    open.push(one)
    bytes += one.length
  }
  close()
  return chunks
}

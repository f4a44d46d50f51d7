import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { sha256 } from '#kernel/index.ts'
import {
  EndSchema,
  EnvelopeKind,
  ManifestSchema,
  RecordChunkSchema,
  ReviewVerdict,
  rollingDigest,
  sealEnvelope,
} from '#wire/index.ts'
import type { HandOverRequest } from '#wire/index.ts'

/** Orders that a hand-over says it holds; 0 where its first envelope is no manifest. */
export function ordersOf(sent: readonly HandOverRequest[]): number {
  const [first] = sent
  if (first?.kind !== EnvelopeKind.MANIFEST) return 0
  return fromBinary(ManifestSchema, first.payload).recordCount
}

/**
 * What leaves a hop that reads a hand-over by a schema ending before field 47 and writes it anew: each
 * order is whole but for `review_verdict` and what follows it. Lengths, digests and totals are right
 * again, as a hop makes them that frames its own messages: nothing below the meaning can notice.
 */
export function loseLateFields(sent: readonly HandOverRequest[]): readonly HandOverRequest[] {
  const payloads: Uint8Array[] = []
  let records = 0
  for (const { kind, payload } of sent) {
    if (kind === EnvelopeKind.END) continue
    if (kind !== EnvelopeKind.RECORDS) {
      payloads.push(payload)
      continue
    }
    const chunk = fromBinary(RecordChunkSchema, payload)
    records += chunk.records.length
    for (const one of chunk.records) {
      one.reviewVerdict = ReviewVerdict.UNSPECIFIED
      one.approval = new Uint8Array()
    }
    payloads.push(toBinary(RecordChunkSchema, chunk))
  }
  const end = create(EndSchema, {
    envelopeCount: payloads.length + 1,
    recordCount: records,
    payloadBytes: BigInt(payloads.reduce((sum, one) => sum + one.length, 0)),
    rollingDigest: rollingDigest(payloads.map((one) => sha256(one))),
  })
  const kindAt = (index: number) => (index === 0 ? EnvelopeKind.MANIFEST : EnvelopeKind.RECORDS)
  return [
    ...payloads.map((payload, index) => sealEnvelope(index + 1, kindAt(index), payload)),
    sealEnvelope(payloads.length + 1, EnvelopeKind.END, toBinary(EndSchema, end)),
  ]
}

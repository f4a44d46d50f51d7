// Relays between the two ends of the hand-over that change a payload and make right what they can.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { invariant, sha256 } from '#kernel/index.ts'
import { recount, redigest } from './damage.fixture.ts'
import { rollingDigest, sealEnvelope } from './envelope.ts'
import {
  EndSchema,
  EnvelopeKind,
  ManifestSchema,
  RecordChunkSchema,
} from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import type { HandOverRequest, OrderRecord } from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import { encode } from './record.fixture.ts'

/** The stream with the payload at a place changed; undefined where such a relay can do nothing. */
export type Relay = (at: number, payload: Uint8Array) => readonly Uint8Array[] | undefined

const KINDS = [EnvelopeKind.MANIFEST, EnvelopeKind.RECORDS, EnvelopeKind.END]

/** Relays of growing skill over one stream of three envelopes. None of them has a key. */
export function relaysOf(sent: readonly HandOverRequest[]): ReadonlyMap<string, Relay> {
  const payloads = sent.map((one) => one.payload)
  const end = fromBinary(EndSchema, payloads[2] ?? new Uint8Array())
  const rewritten = (
    payload: Uint8Array,
    mend: (one: OrderRecord) => void,
  ): readonly Uint8Array[] | undefined => {
    try {
      const chunk = fromBinary(RecordChunkSchema, payload)
      for (const one of chunk.records) mend(one)
      const manifest = fromBinary(ManifestSchema, payloads[0] ?? new Uint8Array())
      recount(manifest, chunk.records)
      const counted = toBinary(ManifestSchema, manifest)
      const records = toBinary(RecordChunkSchema, chunk)
      return enveloped([counted, records, new Uint8Array()], chunk.records.length, false)
    } catch {
      // What does not decode, or has no digest, such a relay cannot make right.
      return undefined
    }
  }
  return new Map<string, Relay>([
    // Changes the payload and nothing else.
    [
      'blind',
      (at, payload) => encode(sent.map((one, index) => (index === at ? { ...one, payload } : one))),
    ],
    // Makes lengths, digests and totals of the envelopes right.
    ['mended', (at, payload) => enveloped(payloads.with(at, payload), end.recordCount, at === 2)],
    // Makes the manifest and END count what the records now are, too.
    ['recounted', (at, payload) => (at === 1 ? rewritten(payload, () => undefined) : undefined)],
    // Makes the digest of each order right, too.
    ['redigested', (at, payload) => (at === 1 ? rewritten(payload, redigest) : undefined)],
  ])
}

/** Three payloads in sound envelopes, under a sound END unless the given one is to be kept. */
export function enveloped(
  payloads: readonly Uint8Array[],
  recordCount: number,
  keepsEnd: boolean,
): readonly Uint8Array[] {
  const before = payloads.slice(0, -1)
  const sound = create(EndSchema, {
    envelopeCount: payloads.length,
    recordCount,
    payloadBytes: BigInt(before.reduce((sum, one) => sum + one.length, 0)),
    rollingDigest: rollingDigest(before.map((one) => sha256(one))),
  })
  const end = keepsEnd ? payloads.at(-1) : toBinary(EndSchema, sound)
  invariant(end, 'a stream has an END')
  return encode(
    [...before, end].map((payload, index) =>
      sealEnvelope(index + 1, KINDS[index] ?? EnvelopeKind.UNSPECIFIED, payload),
    ),
  )
}

import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { describe, expect, test } from 'vitest'
import { invariant, orThrow } from '#kernel/index.ts'
import { assemble, rechunk } from './damage.fixture.ts'
import { HAND_OVER_LIMITS, sealEnvelope } from './envelope.ts'
import {
  EndSchema,
  EnvelopeKind,
  ManifestSchema,
  RecordChunkSchema,
} from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import type {
  HandOverRequest,
  Manifest,
  OrderRecord,
} from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import { toMessage } from './hand-over-record.ts'
import { handOverReader } from './open-hand-over.ts'
import { encode, open, record, refusalOf, seal, STRANGER } from './record.fixture.ts'

const RECORDS = [record(0), record(1, { verdict: 'hold' }), record(2)]
const SEALED = seal(RECORDS)

/** The stream with one envelope changed, and nothing else mended. */
const withEnvelope = (at: number, over: Partial<HandOverRequest>): Uint8Array[] =>
  encode(SEALED.envelopes.map((one, index) => (index === at ? { ...one, ...over } : one)))

const manifestOf = (over: Partial<Manifest> = {}): Manifest => ({
  ...fromBinary(ManifestSchema, SEALED.envelopes[0]?.payload ?? new Uint8Array()),
  ...over,
})

/** The stream with a changed manifest or record, everything else consistent. */
const withManifest = (over: Partial<Manifest>): readonly Uint8Array[] =>
  assemble(manifestOf(over), RECORDS.map(toMessage), 3)
function withRecord(change: (first: OrderRecord) => void): readonly Uint8Array[] {
  const messages = RECORDS.map(toMessage)
  const [first] = messages
  invariant(first, 'there is a record')
  change(first)
  return assemble(manifestOf(), messages, 3)
}

describe('an envelope is refused', () => {
  test.each<[string, number, Partial<HandOverRequest>, string]>([
    ['of another schema version', 0, { schemaVersion: 2 }, 'envelope_version'],
    ['without a schema version', 1, { schemaVersion: 0 }, 'envelope_version'],
    ['out of sequence', 1, { sequence: 3 }, 'envelope_sequence'],
    ['without a sequence', 0, { sequence: 0 }, 'envelope_sequence'],
    ['that is longer than it says', 1, { length: 3 }, 'envelope_length'],
    ['without a length', 1, { length: 0 }, 'envelope_length'],
    ['with another digest', 1, { sha256: new Uint8Array(32) }, 'envelope_digest'],
    ['without a digest', 1, { sha256: new Uint8Array() }, 'envelope_digest'],
    ['without a kind', 1, { kind: EnvelopeKind.UNSPECIFIED }, 'envelope_kind'],
    ['that is a second manifest', 1, { kind: EnvelopeKind.MANIFEST }, 'envelope_kind'],
    ['of orders before the manifest', 0, { kind: EnvelopeKind.RECORDS }, 'envelope_kind'],
    ['that ends before it begins', 0, { kind: EnvelopeKind.END }, 'envelope_kind'],
    ['with a field that is not known', 1, { $unknown: [STRANGER] }, 'payload_malformed'],
  ])('%s', (_, at, over, code) => {
    expect(refusalOf(open(withEnvelope(at, over))).code).toBe(code)
  })

  test('after END', () => {
    const late = sealEnvelope(4, EnvelopeKind.RECORDS, new Uint8Array([1]))
    expect(refusalOf(open(encode([...SEALED.envelopes, late]))).code).toBe('envelope_kind')
  })

  test('with a payload that is no message, however well sealed', () => {
    const cut = SEALED.envelopes[1]?.payload.subarray(0, 50) ?? new Uint8Array()
    const [manifest, , end] = SEALED.envelopes
    invariant(manifest && end, 'the stream has its ends')
    const stream = encode([manifest, sealEnvelope(2, EnvelopeKind.RECORDS, cut), end])
    expect(refusalOf(open(stream)).code).toBe('payload_malformed')
  })

  test('without a record, so that the limit on records bounds the stream', () => {
    const [manifest] = SEALED.envelopes
    invariant(manifest, 'the stream has a manifest')
    const empty = sealEnvelope(2, EnvelopeKind.RECORDS, new Uint8Array())
    expect(refusalOf(open(encode([manifest, empty])))).toMatchObject({
      code: 'payload_malformed',
      field: 'records',
    })
  })
})

describe('a stream', () => {
  test('gives nothing before END, whatever came before', () => {
    const stream = rechunk(encode(SEALED.envelopes), 1)
    for (let count = 0; count < stream.length; count += 1) {
      expect(refusalOf(open(stream.slice(0, count))).code).toBe('envelope_truncated')
    }
    expect(open(stream).ok).toBe(true)
  })

  test('stays refused: nothing that comes later makes it whole', () => {
    const reader = handOverReader()
    const [manifest, chunk, end] = SEALED.envelopes
    invariant(manifest && chunk && end, 'the stream has three envelopes')
    orThrow(reader.push(manifest))
    const first = reader.push({ ...chunk, length: 1 })
    expect(refusalOf(first).code).toBe('envelope_length')
    for (const envelope of [chunk, end]) expect(reader.push(envelope)).toEqual(first)
    expect(reader.finish()).toEqual(first)
  })

  test('stays refused after it was asked for too early', () => {
    const reader = handOverReader()
    const early = reader.finish()
    expect(refusalOf(early).code).toBe('envelope_truncated')
    for (const envelope of SEALED.envelopes) expect(reader.push(envelope)).toEqual(early)
    expect(reader.finish()).toEqual(early)
  })

  test('is held to the same limits as its sender, and to lower ones where told', () => {
    const stream = encode(SEALED.envelopes)
    const bytes = SEALED.envelopes.map((one) => one.payload.length)
    const exact = {
      envelopeBytesMax: Math.max(...bytes),
      batchBytesMax: (bytes[0] ?? 0) + (bytes[1] ?? 0),
      recordsMax: 3,
    }
    expect(open(stream, limits(exact)).ok).toBe(true)
    for (const name of ['envelopeBytesMax', 'batchBytesMax', 'recordsMax'] as const) {
      const lower = limits({ ...exact, [name]: exact[name] - 1 })
      const refusal = refusalOf(open(stream, lower))
      expect(refusal.code).toBe('handover_too_large')
      expect(refusal.detail).toContain(String(exact[name] - 1))
    }
  })

  test('with a payload above 1 MiB is refused before it is digested or decoded', () => {
    const giant = sealEnvelope(
      1,
      EnvelopeKind.MANIFEST,
      new Uint8Array(HAND_OVER_LIMITS.envelopeBytesMax + 1),
    )
    expect(refusalOf(open(encode([{ ...giant, sha256: new Uint8Array() }]))).code).toBe(
      'handover_too_large',
    )
  })
})

// The type of the limits is literal; tests lower them.
function limits(lower: Record<keyof typeof HAND_OVER_LIMITS, number>): typeof HAND_OVER_LIMITS {
  return Object.assign({ ...HAND_OVER_LIMITS }, lower)
}

describe('a manifest', () => {
  test.each<[string, Partial<Manifest>]>([
    ['batch_id', { batchId: '' }],
    ['merchant', { merchant: '' }],
    ['record_count', { recordCount: 0 }],
    ['line_count', { lineCount: 0 }],
    ['records_digest', { recordsDigest: new Uint8Array() }],
    ['provenance', { provenance: '' }],
  ])('is refused with its path where %s is emptied', (path, over) => {
    expect(refusalOf(open(withManifest(over)))).toMatchObject({
      code: 'payload_malformed',
      field: `manifest.${path}`,
    })
  })

  test.each<[string, string, Partial<Manifest>]>([
    ['record_count', 'manifest_mismatch', { recordCount: 4 }],
    ['line_count', 'manifest_mismatch', { lineCount: 7 }],
    ['records_digest', 'manifest_mismatch', { recordsDigest: new Uint8Array(32) }],
    ['hold_count', 'verdict_count_mismatch', { holdCount: 0 }],
    ['clear_count', 'verdict_count_mismatch', { clearCount: 3 }],
    ['unspecified_count', 'verdict_count_mismatch', { unspecifiedCount: 1 }],
  ])('that counts another %s refuses the batch as %s', (path, code, over) => {
    expect(refusalOf(open(withManifest(over)))).toMatchObject({ code, field: `manifest.${path}` })
  })

  test('for another merchant refuses the batch', () => {
    expect(refusalOf(open(withManifest({ merchant: 'other' }))).code).toBe('manifest_mismatch')
  })

  test('that lists one decision twice refuses the batch', () => {
    const twice = seal([record(0), record(0)])
    expect(refusalOf(open(encode(twice.envelopes))).code).toBe('manifest_mismatch')
  })
})

describe('END', () => {
  test.each<[string, object]>([
    ['envelope_count', { envelopeCount: 4 }],
    ['envelope_count', { envelopeCount: 0 }],
    ['record_count', { recordCount: 0 }],
    ['payload_bytes', { payloadBytes: 0n }],
    ['rolling_digest', { rollingDigest: new Uint8Array(32) }],
    ['rolling_digest', { rollingDigest: new Uint8Array() }],
  ])('with another %s refuses the batch', (path, over) => {
    const [manifest, chunk, last] = SEALED.envelopes
    invariant(manifest && chunk && last, 'the stream has three envelopes')
    const end = create(EndSchema, { ...fromBinary(EndSchema, last.payload), ...over })
    const sealed = sealEnvelope(3, EnvelopeKind.END, toBinary(EndSchema, end))
    expect(refusalOf(open(encode([manifest, chunk, sealed])))).toMatchObject({
      code: 'end_mismatch',
      field: `end.${path}`,
    })
  })

  test('with a field that is not known refuses the batch', () => {
    const [manifest, chunk, last] = SEALED.envelopes
    invariant(manifest && chunk && last, 'the stream has three envelopes')
    const end = { ...fromBinary(EndSchema, last.payload), $unknown: [STRANGER] }
    const sealed = sealEnvelope(3, EnvelopeKind.END, toBinary(EndSchema, end))
    expect(refusalOf(open(encode([manifest, chunk, sealed])))).toMatchObject({
      code: 'payload_malformed',
      field: '#99',
    })
  })
})

describe('a field that is not known', () => {
  test.each<[string, (first: OrderRecord) => object | undefined]>([
    ['records[0].#99', (first) => first],
    ['records[0].ship_to.#99', (first) => first.shipTo],
    ['records[0].lines[1].#99', (first) => first.lines[1]],
    ['records[0].lines[1].allocations[1].#99', (first) => first.lines[1]?.allocations[1]],
  ])('is refused with its path at %s', (path, find) => {
    const stream = withRecord((first) => {
      Object.assign(find(first) ?? {}, { $unknown: [STRANGER] })
    })
    expect(refusalOf(open(stream))).toMatchObject({ code: 'payload_malformed', field: path })
  })

  test('is refused in the manifest and beside the records of a chunk', () => {
    expect(refusalOf(open(withManifest({ $unknown: [STRANGER] })))).toMatchObject({
      code: 'payload_malformed',
      field: '#99',
    })
    const [manifest] = SEALED.envelopes
    invariant(manifest, 'the stream has a manifest')
    const chunk = create(RecordChunkSchema, { records: RECORDS.map(toMessage) })
    chunk.$unknown = [STRANGER]
    const sealed = sealEnvelope(2, EnvelopeKind.RECORDS, toBinary(RecordChunkSchema, chunk))
    expect(refusalOf(open(encode([manifest, sealed])))).toMatchObject({ field: '#99' })
  })
})

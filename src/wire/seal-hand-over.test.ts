import { fromBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { CHUNK_BYTES, HAND_OVER_LIMITS } from './envelope.ts'
import {
  EndSchema,
  EnvelopeKind,
  ManifestSchema,
} from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import type { HandOverRecord } from './hand-over-record.ts'
import { encode, open, plain, record, refusalOf, seal } from './record.fixture.ts'
import { sealHandOver } from './seal-hand-over.ts'

const BATCH = { batchId: 'hov_1', merchant: 'main', provenance: 'prv_1' }
const many = (count: number, over: Partial<HandOverRecord> = {}): HandOverRecord[] =>
  Array.from({ length: count }, (_, number) => record(number, over))

describe('a sealed hand-over', () => {
  test('opens as what was sealed, bit for bit, for any text and any verdict', () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 })
    const count = fc.integer({ min: 1, max: 2 ** 31 - 1 })
    const line = fc.record({ sku: text, locationId: text, qty: count })
    const any = fc.record({
      orderNumber: text,
      revision: count,
      currency: text,
      lines: fc.array(line, { minLength: 1, maxLength: 4 }).map((lines) =>
        lines.map(({ sku, qty, locationId }, index) => ({
          line: index + 1,
          sku,
          qty,
          allocations: [{ locationId, qty }],
        })),
      ),
      shipTo: fc.record(
        { name: text, street: text, city: text, region: text, postal_code: text, country: text },
        { requiredKeys: [] },
      ),
      decisionId: text,
      decisionNumber: count,
      effectiveAtMs: fc.integer({ min: 1, max: 8_640_000_000_000_000 }),
      reasons: fc.array(text, { minLength: 1, maxLength: 3 }),
      decidedBy: text,
      verdict: fc.constantFrom('hold', 'clear', 'unspecified'),
    })
    fc.assert(
      fc.property(fc.array(any, { minLength: 1, maxLength: 5 }), (overs) => {
        const records = overs.map((over, number) => record(number, over))
        const opened = orThrow(open(encode(seal(records).envelopes)))
        expect(opened.records.map(plain)).toEqual(records.map(plain))
      }),
      { numRuns: 100, seed: 47 },
    )
  })

  test('keeps text that begins with U+FEFF, which text decoders like to drop', () => {
    const records = [record(1, { shipTo: { name: '\ufeffAda' }, decidedBy: '\ufeffrules' })]
    const opened = orThrow(open(encode(seal(records).envelopes)))
    expect(opened.records.map(plain)).toEqual(records.map(plain))
  })

  test('names its batch, and its digest is the one that the receiver computes', () => {
    const sealed = seal(many(3))
    expect(orThrow(open(encode(sealed.envelopes)))).toMatchObject({
      batchId: sealed.batchId,
      merchant: 'main',
      provenance: 'prv_1',
      digest: sealed.digest,
    })
  })

  test('has the manifest before the orders and END after them, counted from 1', () => {
    const { envelopes } = seal([...many(2), record(2, { verdict: 'hold' })])
    expect(envelopes.map(({ sequence, kind }) => [sequence, kind])).toEqual([
      [1, EnvelopeKind.MANIFEST],
      [2, EnvelopeKind.RECORDS],
      [3, EnvelopeKind.END],
    ])
    const [manifest, chunk, end] = envelopes.map((one) => one.payload)
    expect(fromBinary(ManifestSchema, manifest ?? new Uint8Array())).toMatchObject({
      recordCount: 3,
      lineCount: 6,
      holdCount: 1,
      clearCount: 2,
      unspecifiedCount: 0,
    })
    expect(fromBinary(EndSchema, end ?? new Uint8Array())).toMatchObject({
      envelopeCount: 3,
      recordCount: 3,
      payloadBytes: BigInt((manifest?.length ?? 0) + (chunk?.length ?? 0)),
    })
  })

  test('travels in chunks of 256 KiB, so that no message comes near a limit of the path', () => {
    const records = many(20, { orderNumber: 'x'.repeat(60_000) })
    const { envelopes } = seal(records)
    expect(envelopes.length).toBe(2 + 5)
    for (const { payload } of envelopes) expect(payload.length).toBeLessThanOrEqual(CHUNK_BYTES)
    expect(orThrow(open(encode(envelopes))).records).toHaveLength(20)
  })

  test('takes 1,000 records and refuses the next one by name', () => {
    expect(orThrow(open(encode(seal(many(1_000)).envelopes))).records).toHaveLength(1_000)
    const refusal = refusalOf(sealHandOver({ ...BATCH, records: many(1_001) }))
    expect(refusal).toMatchObject({ code: 'handover_too_large' })
    expect(refusal.detail).toContain('1000')
  })

  test('refuses an envelope above 1 MiB and a batch above 32 MiB, and names both', () => {
    const giant = many(1, { orderNumber: 'x'.repeat(HAND_OVER_LIMITS.envelopeBytesMax) })
    const heavy = many(34, { orderNumber: 'x'.repeat(1_000_000) })
    for (const records of [giant, heavy]) {
      const refusal = refusalOf(sealHandOver({ ...BATCH, records }))
      expect(refusal).toMatchObject({ code: 'handover_too_large' })
      expect(refusal.detail).toContain('1048576')
      expect(refusal.detail).toContain('33554432')
    }
  })

  test('is never made of no records', () => {
    expect(refusalOf(sealHandOver({ ...BATCH, records: [] })).code).toBe('payload_malformed')
  })
})

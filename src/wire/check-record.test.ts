import { describe, expect, test } from 'vitest'
import { OrderLineSchema, OrderRecordSchema } from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import type { HandOverRecord, RecordLine } from './hand-over-record.ts'
import { checkRecord } from './check-record.ts'
import { encode, open, plain, record, refusalOf, seal } from './record.fixture.ts'

const LINE: RecordLine = {
  line: 1,
  sku: 'A',
  qty: 2,
  allocations: [{ locationId: 'north', qty: 2 }],
  unitPriceMinor: 500,
}
const lineOf = (over: Partial<RecordLine>): Partial<HandOverRecord> => ({
  lines: [{ ...LINE, ...over }],
})
const INT4_OVER = 2 ** 31

// Each field that protobuf would default in silence, as protobuf would default it.
const EMPTIED: readonly (readonly [string, Partial<HandOverRecord>])[] = [
  ['merchant', { merchant: '' }],
  ['order_id', { orderId: '' }],
  ['order_number', { orderNumber: '' }],
  ['revision', { revision: 0 }],
  ['identity', { identity: '', lines: [LINE] }],
  ['currency', { currency: '' }],
  ['lines', { lines: [] }],
  ['order_digest', { orderDigest: new Uint8Array() }],
  ['decision_id', { decisionId: '' }],
  ['decision_number', { decisionNumber: 0 }],
  ['effective_at', { effectiveAtMs: 0 }],
  ['decided_by', { decidedBy: '' }],
  ['key_id', { keyId: '' }],
  ['reasons', { verdict: 'hold', reasons: [] }],
  ['lines[0].line', lineOf({ line: 0 })],
  ['lines[0].sku', lineOf({ sku: '' })],
  ['lines[0].qty', lineOf({ qty: 0 })],
  ['lines[0].allocations', lineOf({ allocations: [] })],
  ['lines[0].allocations[0].location_id', lineOf({ allocations: [{ locationId: '', qty: 2 }] })],
  ['lines[0].allocations[0].qty', lineOf({ allocations: [{ locationId: 'north', qty: 0 }] })],
  ['lines[0].unit_price_minor', lineOf({ unitPriceMinor: null })],
]

describe('a record on the wire', () => {
  test.each(EMPTIED)('is refused with its path where %s is emptied', (path, over) => {
    const batch = [record(0), record(1, over)]
    expect(refusalOf(open(encode(seal(batch).envelopes)))).toMatchObject({
      code: 'payload_malformed',
      field: `records[1].${path}`,
    })
  })

  test('has no field that is neither refused when emptied nor meant to be absent at times', () => {
    const paths = new Set(EMPTIED.map(([path]) => path.replaceAll(/\[\d+\]/g, '')))
    // A promise of 0 is one of an order that has none, as before there were any.
    const absent = ['ship_to', 'ship_by', 'review_verdict', 'approval']
    const fields = OrderRecordSchema.fields.map((field) => field.name)
    const lines = OrderLineSchema.fields.map((field) => `lines.${field.name}`)
    expect([...fields, ...lines].filter((name) => !paths.has(name))).toEqual(absent)
  })

  test.each<readonly [string, Partial<HandOverRecord>]>([
    ['ship_by', { shipByMs: -1 }],
    ['ship_by', { shipByMs: 8_640_000_000_000_001 }],
    ['revision', { revision: INT4_OVER }],
    ['identity', { identity: 'None' }],
    ['identity', { identity: '0123456789abcdefghijklmnow' }],
    ['lines[0].unit_price_minor', lineOf({ unitPriceMinor: -1 })],
    ['lines[0].unit_price_minor', lineOf({ unitPriceMinor: 2 ** 53 })],
    ['decision_number', { decisionNumber: INT4_OVER }],
    ['effective_at', { effectiveAtMs: -1 }],
    ['effective_at', { effectiveAtMs: 8_640_000_000_000_001 }],
    ['order_digest', { orderDigest: new Uint8Array(31) }],
    ['lines[0].line', lineOf({ line: INT4_OVER })],
    ['lines[0].qty', lineOf({ qty: INT4_OVER })],
    ['lines[0].allocations', lineOf({ qty: 3 })],
    ['lines[1].line', { lines: [LINE, LINE] }],
  ])('is refused with its path where %s is out of range', (path, over) => {
    expect(refusalOf(checkRecord(record(1, over), 'records[0]', 'main'))).toMatchObject({
      code: 'payload_malformed',
      field: `records[0].${path}`,
    })
  })

  test('is refused where it belongs to another merchant than its batch', () => {
    expect(
      refusalOf(checkRecord(record(1, { merchant: 'other' }), 'records[0]', 'main')),
    ).toMatchObject({ code: 'manifest_mismatch', field: 'records[0].merchant' })
  })

  test('is refused where it is not the order that was decided on', () => {
    const decided = record(1)
    const shipped = { ...decided, lines: lineOf({ qty: 2 }).lines ?? [] }
    expect(refusalOf(checkRecord(shipped, 'records[0]', 'main'))).toMatchObject({
      code: 'order_digest_mismatch',
      field: 'records[0].order_digest',
    })
  })

  test('loses an address member that the wire has no field for only by being refused', () => {
    const strange = record(1, { shipTo: { name: 'Ada', planet: 'Mars' } })
    expect(refusalOf(open(encode(seal([strange]).envelopes))).code).toBe('order_digest_mismatch')
  })

  test('with empty members of its address is the record without them', () => {
    const shipTo = { name: 'Ada', phone: '', email: '' }
    const opened = open(encode(seal([record(1, { shipTo })]).envelopes))
    expect(opened.ok && opened.value.records.map(plain)).toEqual([
      plain(record(1, { shipTo: { name: 'Ada' } })),
    ])
  })
})

import { create } from '@bufbuild/protobuf'
import { describe, expect, test } from 'vitest'
import { checkReceipt } from './check-receipt.ts'
import { HandOverResponseSchema } from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import { record, refusalOf, seal } from './record.fixture.ts'

const RECORDS = [record(0), record(1, { verdict: 'hold' }), record(2)]
const SENT = { ...seal(RECORDS), holds: 1 }
const ECHO = { batchId: 'hov_1', rollingDigest: SENT.digest, records: 3, holds: 1, clears: 2 }
const check = (over: Partial<typeof ECHO>) =>
  checkReceipt(SENT, create(HandOverResponseSchema, { ...ECHO, ...over }))

describe('a receipt', () => {
  test('is believed where it echoes batch, digest and counts', () => {
    expect(check({}).ok).toBe(true)
  })

  test('is believed where the receiver holds more than was asked', () => {
    expect(check({ holds: 3, clears: 0 }).ok).toBe(true)
  })

  test.each<[string, Partial<typeof ECHO>]>([
    ['another batch', { batchId: 'hov_2' }],
    ['no batch', { batchId: '' }],
    ['another digest', { rollingDigest: Buffer.alloc(32) }],
    ['no digest', { rollingDigest: Buffer.alloc(0) }],
    ['fewer records', { records: 2, clears: 1 }],
    ['more records', { records: 4, clears: 3 }],
    ['no counts', { records: 0, holds: 0, clears: 0 }],
    ['fewer holds than were sent', { holds: 0, clears: 3 }],
    ['counts that do not add up', { holds: 1, clears: 1 }],
    ['an order both held and cleared', { holds: 2, clears: 2 }],
  ])('is refused with %s', (_, over) => {
    expect(refusalOf(check(over)).code).toBe('receipt_mismatch')
  })
})

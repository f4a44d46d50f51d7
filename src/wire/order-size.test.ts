import { create, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalJson } from '#kernel/index.ts'
import { HAND_OVER_LIMITS } from './envelope.ts'
import { RecordChunkSchema } from './gen/holdfast/fulfillment/v1/handoff_pb.js'
import { toMessage } from './hand-over-record.ts'
import {
  checkOrderSize,
  ORDER_LINES_MAX,
  ORDER_PARTS_MAX,
  SEALED_BYTES_MAX,
  SEALED_FRAME_BYTES,
  SEALED_ORDER_REST_BYTES,
  sealedLinesBytes,
} from './order-size.ts'
import { record } from './record.fixture.ts'

const sku = fc.stringMatching(/^[\x21-\x7e]{1,64}$/)
const lines = fc.array(
  fc.record({ line_id: fc.nat().map(String), sku, qty: fc.integer({ min: 1, max: 1_000_000 }) }),
  { minLength: 1, maxLength: 40 },
)

test('lines are counted as their canonical JSON, to the byte', () => {
  fc.assert(
    fc.property(lines, (all) => {
      expect(sealedLinesBytes(all)).toBe(Buffer.byteLength(canonicalJson(all)) - '[]'.length)
    }),
  )
})

test('lines are taken up to the room of a sealed body, and not a byte above', () => {
  const room = SEALED_BYTES_MAX - SEALED_FRAME_BYTES - SEALED_ORDER_REST_BYTES
  const base = Array.from({ length: 4_000 }, () => ({ sku: 'x'.repeat(64), qty: 1 }))
  const bytesOf = (all: readonly { sku: string; qty: number }[]) =>
    sealedLinesBytes(all.map((one, at) => ({ ...one, line_id: String(at + 1) })))
  const edge = room - bytesOf(base)
  const grown = (by: number) => [{ sku: 'x'.repeat(64 + by), qty: 1 }, ...base.slice(1)]
  expect(checkOrderSize(grown(edge)).ok).toBe(true)
  expect(checkOrderSize(grown(edge + 1))).toMatchObject({
    ok: false,
    refusal: { code: 'order_too_large', field: 'lines' },
  })
})

test('what intake takes fits one envelope of the hand-over, however it is split', () => {
  const longest = 'l'.repeat(64)
  // The most bytes of lines that a sealed body takes, and the most parts, at locations of the longest id.
  const all = Array.from({ length: ORDER_LINES_MAX }, () => ({ sku: 's'.repeat(64), qty: 2 }))
  expect(checkOrderSize(all).ok).toBe(true)
  const twice = ORDER_PARTS_MAX - ORDER_LINES_MAX
  const big = record(1, {
    shipTo: {
      name: '\u20ac'.repeat(200),
      street: '\u20ac'.repeat(400),
      city: '\u20ac'.repeat(200),
    },
    lines: all.map((one, index) => ({
      line: index + 1,
      sku: one.sku,
      qty: one.qty,
      allocations:
        index < twice
          ? [
              { locationId: longest, qty: 1 },
              { locationId: longest, qty: 1 },
            ]
          : [{ locationId: longest, qty: 2 }],
    })),
  })
  const bytes = toBinary(
    RecordChunkSchema,
    create(RecordChunkSchema, { records: [toMessage(big)] }),
  )
  // Room is left for the fields that a later version of the record adds to each line.
  expect(bytes.length + ORDER_LINES_MAX * 8).toBeLessThan(HAND_OVER_LIMITS.envelopeBytesMax)
})

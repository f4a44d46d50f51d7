import { expect, test } from 'vitest'
import { newId } from '#kernel/index.ts'
import { fulfillmentId, linesDigest, readFulfillmentId } from './fulfillment-id.ts'

const IDENTITY = '0123456789abcdefghijklmnop'
const LINES = [
  { line_id: '1', sku: 'A', qty: 2 },
  { line_id: '2', sku: 'B', qty: 1 },
]

test('an id says order, revision, part and lines, and is the same for the same part', () => {
  const name = { identity: IDENTITY, revision: 12, part: 3 }
  const id = fulfillmentId(name, LINES)
  expect(id).toBe(fulfillmentId(name, LINES.toReversed()))
  expect(readFulfillmentId(id)).toEqual({ ...name, lines: linesDigest(LINES) })
})

test.each([[{ line_id: '3' }], [{ sku: 'C' }], [{ qty: 3 }], [{ line_id: '1A', sku: '' }]])(
  'other lines make another id: %o',
  (over) => {
    const others = [{ line_id: '1', sku: 'A', qty: 2, ...over }, ...LINES.slice(1)]
    expect(linesDigest(others)).not.toBe(linesDigest(LINES))
  },
)

test('the longest id fits what partners take, and a random id says nothing', () => {
  const long = fulfillmentId({ identity: IDENTITY, revision: 2_147_483_647, part: 5_000 }, LINES)
  expect(long).toMatch(/^ful_[A-Za-z0-9_-]{1,60}$/)
  expect(readFulfillmentId(long)?.part).toBe(5_000)
  expect(readFulfillmentId(newId('ful'))).toBeUndefined()
  expect(readFulfillmentId('ful_x')).toBeUndefined()
})

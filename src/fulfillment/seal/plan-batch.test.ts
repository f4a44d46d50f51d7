import fc from 'fast-check'
import { expect, test } from 'vitest'
import { planBatches, restBytes } from './plan-batch.ts'
import { checkOrderSize, SEALED_BYTES_MAX, SEALED_ORDER_REST_BYTES } from '#wire/index.ts'
import { contentDigest, sealBody } from './seal-body.ts'
import type { SealableOrder } from './seal-body.ts'

const orderOf = (number: number, lines = 1, name = 'Ada'): SealableOrder => ({
  fulfillmentId: `ful_${String(number).padStart(6, '0')}`,
  generation: 1,
  decisionId: 'rvd_1',
  shipTo: { name, country: 'GB' },
  lines: Array.from({ length: lines }, (_, index) => ({
    line_id: String(index + 1),
    sku: `SKU-${index}`,
    qty: 1,
  })),
})
const sealed = (orders: readonly SealableOrder[], sequence = 1) =>
  sealBody({ merchant: 'main', partner: 'shipco', batch: 'btc_1', revision: 1, sequence, orders })

test('every order is in exactly one batch, and every sealed body fits', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 2_000 }), { maxLength: 40 })
  fc.assert(
    fc.property(sizes, (lines) => {
      const orders = lines.map((count, index) => orderOf(index, count))
      const { batches, tooLarge } = planBatches(orders)
      expect([...batches.flat(), ...tooLarge]).toHaveLength(orders.length)
      for (const batch of batches) {
        expect(sealed(batch, 9_007_199_254_740_991).bytes.length).toBeLessThanOrEqual(
          SEALED_BYTES_MAX,
        )
      }
    }),
    { numRuns: 15 },
  )
})

test('a batch closes at a hundred orders', () => {
  const plan = planBatches(Array.from({ length: 250 }, (_, index) => orderOf(index)))
  expect(plan.batches.map((batch) => batch.length)).toEqual([100, 100, 50])
})

test('a lone giant is set apart and the rest goes', () => {
  const giant = orderOf(1, 1, 'x'.repeat(SEALED_BYTES_MAX))
  const plan = planBatches([orderOf(0), giant, orderOf(2)])
  expect(plan).toMatchObject({ tooLarge: [giant], batches: [[orderOf(0), orderOf(2)]] })
})

test('content does not depend on the order in which it was read', () => {
  const order = orderOf(1, 12)
  const shuffled = { ...order, lines: order.lines.toReversed() }
  const other = orderOf(2)
  expect(contentDigest('btc_1', [other, shuffled])).toEqual(contentDigest('btc_1', [order, other]))
  expect(sealed([other, shuffled]).bytes).toEqual(sealed([order, other]).bytes)
})

test('the sealed body says that nothing is on hold, and by which decision', () => {
  const body: unknown = JSON.parse(sealed([orderOf(1)]).bytes.toString())
  expect(body).toEqual({
    schema: 'holdfast.dispatch/1',
    type: 'dispatch.create',
    batch: 'btc_1',
    revision: 1,
    supersedes: null,
    sequence: 1,
    order_count: 1,
    key: sealed([orderOf(1)]).key,
    content_sha256: contentDigest('btc_1', [orderOf(1)]).toString('hex'),
    orders: [
      {
        fulfillment_id: 'ful_000001',
        order_key: expect.stringMatching(/^hfo1-[a-z2-7]{32}$/),
        hold_for_review: false,
        review_decision_id: 'rvd_1',
        ship_to: { name: 'Ada', country: 'GB' },
        lines: [{ line_id: '1', sku: 'SKU-0', qty: 1 }],
      },
    ],
  })
})

test.each([
  ['no decision', { decisionId: '' }],
  ['no lines', { lines: [] }],
  ['a fraction of a unit', { lines: [{ line_id: '1', sku: 'A', qty: 1.5 }] }],
  ['a field that nobody knows', { hold_for_review: true }],
])('an order with %s cannot be sealed', (_, change) => {
  expect(() => sealed([{ ...orderOf(1), ...change }])).toThrow('invariant')
})

const ordered = fc.array(
  fc.record({
    sku: fc.stringMatching(/^[\x21-\x7e]{1,64}$/),
    qty: fc.integer({ min: 1, max: 1_000_000 }),
  }),
  { minLength: 1, maxLength: 60 },
)
// The same lines over and over, so that orders of all sizes around the limit are made quickly.
const manyLines = fc
  .tuple(ordered, fc.integer({ min: 1, max: 5_000 }))
  .map(([some, count]) =>
    Array.from({ length: count }, (_, at) => some[at % some.length] ?? { sku: 'A', qty: 1 }),
  )
const units = (max: number) =>
  fc.string({ unit: fc.constantFrom('a', '"', '\\', '€'), maxLength: max })
const address = fc.record({
  name: units(200),
  street: units(400),
  city: units(200),
  region: units(200),
  postal_code: units(32),
  country: fc.constant('GB'),
  phone: units(64),
  email: units(320),
})

test('an order that intake takes is never too large for a batch, however it is split', () => {
  fc.assert(
    fc.property(manyLines, address, fc.nat(), (lines, shipTo, seed) => {
      const whole: SealableOrder = {
        fulfillmentId: `ful_${'z'.repeat(60)}`,
        generation: 2_147_483_647,
        decisionId: 'r'.repeat(128),
        shipTo,
        shipBy: '2199-12-31T23:59:59Z',
        lines: lines.map(({ sku, qty }, at) => ({ line_id: String(at + 1), sku, qty })),
      }
      expect(restBytes(whole)).toBeLessThanOrEqual(SEALED_ORDER_REST_BYTES)
      // Some lines at this partner, and of some of them only a part.
      const part = whole.lines
        .filter((_, at) => (at + seed) % 3 !== 0)
        .map(({ line_id, sku, qty }) => ({ line_id, sku, qty: Math.ceil(qty / (1 + (seed % 2))) }))
      const orders = part.length > 0 ? [whole, { ...whole, lines: part }] : [whole]
      if (!checkOrderSize(lines).ok) return
      expect(planBatches(orders).tooLarge).toEqual([])
      const bytes = sealed([whole], 9_007_199_254_740_991).bytes.length
      expect(bytes).toBeLessThanOrEqual(SEALED_BYTES_MAX)
    }),
    { numRuns: 40 },
  )
})

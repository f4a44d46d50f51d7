import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson, sha256 } from '#kernel/index.ts'
import { orderDigest } from './order-digest.ts'
import type { DigestedOrder } from './order-digest.ts'

const ORDER: DigestedOrder = {
  merchant: 'main',
  orderId: 'ord_1',
  currency: 'GBP',
  lines: [
    { lineId: '1', sku: 'ELEC-TV-55-SAM', qty: 2 },
    { lineId: '2', sku: 'ÜB-"1"', qty: 1 },
    { lineId: '10', sku: 'B', qty: 3 },
  ],
  shipTo: { name: 'Ada Löwe', postal_code: 'N1 1AA', country: 'GB' },
}
const hexOf = (over: Partial<DigestedOrder> = {}): string =>
  orderDigest({ ...ORDER, ...over }).toString('hex')

describe('the order digest', () => {
  test('is the pinned SHA-256, so that orders decided on by older releases still match', () => {
    expect(hexOf()).toBe('122cc9772caf774f4b11612f61c51d0d3335531f2afedaf76ff1d2438fd03b96')
  })

  test('is the SHA-256 of this RFC 8785 text', () => {
    const text =
      '{"currency":"GBP","lines":[{"line_id":"1","qty":2,"sku":"ELEC-TV-55-SAM"},' +
      '{"line_id":"2","qty":1,"sku":"ÜB-\\"1\\""},{"line_id":"10","qty":3,"sku":"B"}],' +
      '"merchant":"main","order_id":"ord_1",' +
      '"ship_to":{"country":"GB","name":"Ada Löwe","postal_code":"N1 1AA"}}'
    expect(hexOf()).toBe(sha256(text).toString('hex'))
  })

  test('is the digest of the canonical JSON of the house, for any order', () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 })
    const order = fc.record({
      merchant: text,
      orderId: text,
      currency: text,
      lines: fc.uniqueArray(
        fc.record({ lineId: fc.nat().map(String), sku: text, qty: fc.maxSafeInteger() }),
        { selector: (line) => line.lineId, maxLength: 8 },
      ),
      shipTo: fc.dictionary(fc.stringMatching(/^[a-z_]{1,12}$/), text, { maxKeys: 6 }),
    })
    fc.assert(
      fc.property(order, (one) => {
        const lines = one.lines.toSorted((a, b) => Number(a.lineId) - Number(b.lineId))
        const canonical = canonicalJson({
          merchant: one.merchant,
          order_id: one.orderId,
          currency: one.currency,
          lines: lines.map(({ lineId, sku, qty }) => ({ line_id: lineId, sku, qty })),
          ship_to: one.shipTo,
        })
        expect(orderDigest(one)).toEqual(sha256(canonical))
      }),
      { numRuns: 200, seed: 47 },
    )
  })

  test('does not depend on the order of lines or of the members of the address', () => {
    const members = Object.entries(ORDER.shipTo).toReversed()
    expect(hexOf({ lines: ORDER.lines.toReversed() })).toBe(hexOf())
    expect(hexOf({ shipTo: Object.fromEntries(members) })).toBe(hexOf())
  })

  test.each<[string, Partial<DigestedOrder>]>([
    ['merchant', { merchant: 'other' }],
    ['order id', { orderId: 'ord_2' }],
    ['currency', { currency: 'EUR' }],
    ['SKU', { lines: ORDER.lines.with(0, { lineId: '1', sku: 'ELEC-TV-65-SAM', qty: 2 }) }],
    ['quantity', { lines: ORDER.lines.with(0, { lineId: '1', sku: 'ELEC-TV-55-SAM', qty: 3 }) }],
    ['line id', { lines: ORDER.lines.with(0, { lineId: '3', sku: 'ELEC-TV-55-SAM', qty: 2 }) }],
    ['number of lines', { lines: ORDER.lines.slice(1) }],
    ['member of the address', { shipTo: { ...ORDER.shipTo, name: 'Eve' } }],
    ['set of members', { shipTo: { ...ORDER.shipTo, phone: '1' } }],
    ['address that is absent', { shipTo: {} }],
    ['name of a member', { shipTo: { name: 'Ada Löwe', city: 'N1 1AA', country: 'GB' } }],
  ])('changes with another %s', (_, changed) => {
    expect(hexOf(changed)).not.toBe(hexOf())
  })

  test('takes an empty member of the address for an absent one, as the wire does', () => {
    expect(hexOf({ shipTo: { ...ORDER.shipTo, phone: '', email: '' } })).toBe(hexOf())
  })

  test('is not computed of what has no one JSON form', () => {
    const half = '\ud83d'
    const odd: readonly Partial<DigestedOrder>[] = [
      { orderId: half },
      { shipTo: { name: half } },
      { shipTo: { 2: 'a', 10: 'b' } },
      { lines: [{ lineId: '1', sku: 'A', qty: 0.5 }] },
      { lines: [{ lineId: '1', sku: half, qty: 1 }] },
    ]
    for (const one of odd) expect(() => hexOf(one)).toThrow('invariant broken')
  })
})

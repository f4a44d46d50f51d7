import fc from 'fast-check'
import { expect, test } from 'vitest'
import { judgeLine } from './judge-invoice.ts'

test.each([
  [{ units: 3, amountMinor: 300 }, { units: 3, matched: 0 }, 'matched', 3, 0],
  [{ units: 3, amountMinor: 100 }, { units: 2, matched: 0 }, 'over_billed', 2, 34],
  [{ units: 3, amountMinor: 300 }, { units: 3, matched: 3 }, 'billed_twice', 0, 300],
  [{ units: 3, amountMinor: 300 }, { units: 0, matched: 0 }, 'billed_not_shipped', 0, 300],
  [{ units: 3, amountMinor: 300 }, undefined, 'billed_not_shipped', 0, 300],
] as const)('%o against %o is %s', (line, shipped, verdict, matchedUnits, disputedMinor) => {
  const own = shipped === undefined ? undefined : { ...shipped }
  expect(judgeLine(line, own)).toEqual({ verdict, matchedUnits, disputedMinor })
})

test('however bills are cut, what is matched never exceeds what was shipped', () => {
  const line = fc.record({ units: fc.integer({ min: 1, max: 50 }), amountMinor: fc.nat(10_000) })
  fc.assert(
    fc.property(fc.nat(100), fc.array(line, { maxLength: 20 }), (units, lines) => {
      const shipped = { units, matched: 0 }
      const judged = lines.map((one) => judgeLine(one, shipped))
      const billed = lines.reduce((sum, one) => sum + one.units, 0)
      const matched = judged.reduce((sum, one) => sum + one.matchedUnits, 0)
      expect(matched).toBe(Math.min(units, billed))
      for (const [index, one] of judged.entries()) {
        expect(one.disputedMinor).toBeGreaterThanOrEqual(0)
        expect(one.disputedMinor).toBeLessThanOrEqual(lines[index]?.amountMinor ?? 0)
        expect(one.verdict === 'matched' && one.disputedMinor > 0).toBe(false)
      }
    }),
  )
})

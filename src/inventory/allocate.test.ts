import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { allocate } from './allocate.ts'
import type { DemandLine, FreeStock } from './allocate.ts'

const stock = (rows: Record<string, Record<string, number>>): FreeStock =>
  new Map(Object.entries(rows).map(([sku, places]) => [sku, new Map(Object.entries(places))]))

const line = (lineNo: number, sku: string, qty: number): DemandLine => ({ lineNo, sku, qty })

describe('allocating an order', () => {
  test('prefers one location that can fill it all', () => {
    const result = allocate(
      [line(1, 'A', 2), line(2, 'B', 1)],
      stock({ A: { x: 9, y: 2 }, B: { y: 1 } }),
      true,
    )
    expect(result).toEqual({
      kind: 'allocated',
      allocations: [
        { lineNo: 1, sku: 'A', qty: 2, locationId: 'y' },
        { lineNo: 2, sku: 'B', qty: 1, locationId: 'y' },
      ],
    })
  })

  test('splits a line over locations only where allowed', () => {
    const free = { A: { x: 2, y: 2 } }
    expect(allocate([line(1, 'A', 3)], stock(free), false).kind).toBe('short')
    expect(allocate([line(1, 'A', 3)], stock(free), true)).toMatchObject({ kind: 'allocated' })
  })

  test('counts one SKU on several lines together', () => {
    expect(allocate([line(1, 'A', 2), line(2, 'A', 2)], stock({ A: { x: 3 } }), true)).toEqual({
      kind: 'short',
      lines: [
        { lineNo: 1, sku: 'A', qty: 2, available: 3 },
        { lineNo: 2, sku: 'A', qty: 2, available: 3 },
      ],
    })
  })

  test('gives every line exactly its units or takes nothing, for any stock and demand', () => {
    const skus = fc.constantFrom('A', 'B', 'C')
    fc.assert(
      fc.property(
        fc.array(fc.record({ sku: skus, qty: fc.integer({ min: 1, max: 6 }) }), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.dictionary(skus, fc.dictionary(fc.constantFrom('x', 'y', 'z'), fc.nat(8))),
        fc.boolean(),
        (demand, rows, maySplit) => {
          const free = stock(rows)
          const before = total(free)
          const lines = demand.map((one, index) => line(index + 1, one.sku, one.qty))
          const result = allocate(lines, free, maySplit)
          if (result.kind === 'short') return total(free) === before && result.lines.length > 0
          if (result.kind === 'scattered') return false
          const given = lines.every(
            (one) =>
              one.qty ===
              result.allocations
                .filter((part) => part.lineNo === one.lineNo)
                .reduce((sum, part) => sum + part.qty, 0),
          )
          const isNonNegative = [...free.values()].every((places) =>
            [...places.values()].every((units) => units >= 0),
          )
          return (
            given &&
            isNonNegative &&
            before - total(free) === lines.reduce((sum, one) => sum + one.qty, 0)
          )
        },
      ),
      { numRuns: 2_000, seed: 1 },
    )
  })

  test('is short only where all locations together are, when it may split', () => {
    expect(allocate([line(1, 'A', 4)], stock({ A: { x: 2, y: 1, z: 1 } }), true).kind).toBe(
      'allocated',
    )
    expect(allocate([line(1, 'A', 5)], stock({ A: { x: 2, y: 1, z: 1 } }), true).kind).toBe('short')
  })
})

function total(free: FreeStock): number {
  return [...free.values()].reduce(
    (sum, places) => sum + [...places.values()].reduce((a, b) => a + b, 0),
    0,
  )
}

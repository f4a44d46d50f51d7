import { expect, test } from 'vitest'
import { compareWorlds } from './compare-worlds.ts'
import type { Figures, Refused } from './figures.ts'
import { CALIBRATED } from './parameters.ts'
import type { Comparison } from './run-incident.ts'

const good: Figures = {
  orders: 10,
  heldByReview: 0.3,
  holdRate: 0.3,
  unreviewedAccepted: 0,
  dispatches: 4,
  answersLost: 2,
  duplicateBatches: 0,
  partnersWithDuplicates: 0,
  doubleFulfillments: 0,
  keyReplays: 1,
  negativeSkus: 0,
  watchedUnits: 5,
}
const refused: readonly Refused[] = [
  'verdict_count_mismatch',
  'flag_refused',
  'flag_refused',
  'product_database',
  'lab_database',
].map((code) => ({ what: code, code, times: 1 }))

function comparison(
  changed: Partial<Figures> = {},
  run: Partial<Comparison['holdfast']> = {},
): Comparison {
  const figures = Object.assign({ ...good }, changed)
  const holdfast = { figures, refused, damagedOrders: 10, ...run }
  return { seed: 1, parameters: CALIBRATED, unguarded: good, holdfast, durationS: 1 }
}

test('a run in which everything held is good', () => {
  expect(compareWorlds(comparison())).toMatchObject({ isBad: false, json: { faults: [] } })
})

test.each<readonly [string, Partial<Figures>]>([
  ['an order was cleared by a lost field', { holdRate: 0.2 }],
  ['an order was held for no reason', { holdRate: 0.4 }],
  ['an unreviewed order is at a partner', { unreviewedAccepted: 1 }],
  ['a batch went out twice', { duplicateBatches: 1 }],
  ['an order was accepted by two partners', { doubleFulfillments: 1 }],
  ['a SKU is below zero', { negativeSkus: 1 }],
  ['nothing was sent at all', { dispatches: 0 }],
  ['no answer was lost, so that nothing was provoked', { answersLost: 0 }],
  ['orders are missing', { orders: 9 }],
])('a run in which %s is bad', (_, changed) => {
  expect(compareWorlds(comparison(changed)).isBad).toBe(true)
})

test.each(refused.map(({ code }, index) => [code, index] as const))(
  'a run without the refusal %s is bad',
  (_, index) => {
    const run = { refused: refused.toSpliced(index, 1) }
    expect(compareWorlds(comparison({}, run)).isBad).toBe(true)
  },
)

test('a run in which the relay did nothing is bad', () => {
  expect(compareWorlds(comparison({}, { damagedOrders: 0 })).isBad).toBe(true)
})

test('every free parameter is printed with its value', () => {
  const { text } = compareWorlds(comparison())
  expect(Object.keys(CALIBRATED).length).toBeGreaterThan(10)
  expect(text).not.toContain('undefined')
  for (const value of Object.values(CALIBRATED)) expect(text).toMatch(new RegExp(` ${value}\n`))
})

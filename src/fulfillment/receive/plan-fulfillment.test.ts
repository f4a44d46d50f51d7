import { expect, test } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { record } from '../warehouse.fixture.ts'
import { planFulfillments } from './plan-fulfillment.ts'

const PARTNERS = new Map([
  ['north', 'alpha'],
  ['south', 'beta'],
  ['west', 'gamma'],
])
/** An order of two lines, the first for one location and the second for another. */
const orderOf = (first: string, second: string, identity?: string) =>
  record('ord_plan', {
    ...(identity === undefined ? {} : { identity }),
    lines: [
      { line: 1, sku: 'A', qty: 2, allocations: [{ locationId: first, qty: 2 }] },
      { line: 2, sku: 'B', qty: 1, allocations: [{ locationId: second, qty: 1 }] },
    ],
  })
const idsOf = (order: ReturnType<typeof orderOf>) =>
  orThrow(planFulfillments([order], PARTNERS)).map((one) => one.id)

test('an order sent again makes the same ids, whoever gets its parts', () => {
  const ids = idsOf(orderOf('north', 'south'))
  expect(new Set(ids).size).toBe(2)
  expect(idsOf({ ...orderOf('south', 'west'), orderId: 'ord_again' })).toEqual(ids)
})

test('other lines, another revision and another split make other ids', () => {
  const ids = idsOf(orderOf('north', 'south'))
  const others = new Set([
    ...idsOf(orderOf('north', 'north')),
    ...idsOf({ ...orderOf('north', 'south'), revision: 2 }),
  ])
  expect(ids.filter((id) => others.has(id))).toEqual([])
})

test.each(['none', ''])(
  'an order with the identity "%s" gets ids that nobody makes again',
  (name) => {
    const order = orderOf('north', 'south', name)
    expect(idsOf(order)).not.toEqual(idsOf(order))
  },
)

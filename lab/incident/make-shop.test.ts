import { expect, test } from 'vitest'
import { INITIAL_RULES, review } from '#orders/index.ts'
import { makeShop, unitsBySku } from './make-shop.ts'
import { CALIBRATED, DEFAULT_SEED } from './parameters.ts'
import { lostRequests } from '../partners/lose-answers.ts'

const shop = makeShop(CALIBRATED, DEFAULT_SEED)

test('the same seed gives the same shop, and another one another', () => {
  expect(makeShop(CALIBRATED, DEFAULT_SEED)).toEqual(shop)
  expect(makeShop(CALIBRATED, 1)).not.toEqual(shop)
})

test('everything that is ordered is in stock: only a second parcel can take a SKU below zero', () => {
  const ordered = unitsBySku(shop.orders)
  expect(shop.products.length).toBe(CALIBRATED.skus + 1)
  expect(shop.products.filter(({ sku, units }) => units < (ordered.get(sku) ?? 0))).toEqual([])
})

test("the product's own rules hold the share of the report", () => {
  const held = shop.orders.filter((order) => {
    const quantityMax = Math.max(...order.lines.map(({ qty }) => qty))
    const { goodsMinor, customer, country } = order
    const reviewed = { goodsMinor, quantityMax, customer, country }
    return (
      review(reviewed, INITIAL_RULES, {
        submittedHold: false,
        heldBefore: false,
        approval: 'on',
      }).kind === 'hold'
    )
  })
  expect(held.length / shop.orders.length).toBe(0.31)
})

test('as many answers are lost as the parameter says, at every partner some', () => {
  const lost = lostRequests(['a', 'b', 'c'], CALIBRATED, DEFAULT_SEED)
  const counts = [...lost.values()].map((requests) => new Set(requests).size)
  expect(counts).toEqual([8, 8, 7])
  expect(Math.max(...[...lost.values()].flat())).toBeLessThanOrEqual(CALIBRATED.lostAmong)
})

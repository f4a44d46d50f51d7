import { expect, test } from 'vitest'
import { canonicalJson, sha256Hex } from '#kernel/index.ts'
import { generateCatalog } from './generate-catalog.ts'
import { generateOrders } from './generate-orders.ts'
import type { GeneratedOrder } from './generate-orders.ts'
import { orderInput } from './order-input.ts'
import { review } from './review.ts'
import { INITIAL_RULES } from './rule-set.ts'

const ORDERS = 12_394 // as many as the real data has

/** What the real data has, and how far a generated shop of the same size may be from it. */
const FACTS = [
  ['lines per order, p50', 15, 1],
  ['lines per order, p90', 51, 4],
  ['lines per order, p99', 202, 40],
  ['% of orders with one line', 8.1, 1],
  ['% of orders with the hottest SKU', 12.9, 1.5],
  ['% of orders with one of the ten hottest', 49.8, 2.5],
  ['% of guests', 8.5, 1],
  ['% of orders from GB', 90.9, 1],
  ['% of orders held', 30.97, 1.8],
  ['% of orders held for value', 23.1, 1.8],
  ['% of orders held for quantity', 4.7, 1.2],
  ['% of orders between 08:00 and 16:00 UTC', 90.3, 1.2],
  ['% of orders on a Saturday', 0, 0],
] as const

test.each([1, 2, 3])('the shop of seed %i has the statistics of the real one', (seed) => {
  const measured = statistics([...generateOrders({ seed, count: ORDERS })])
  const off = FACTS.filter(([name, fact, tolerance]) => {
    const value = measured.get(name)
    return value === undefined || Math.abs(value - fact) > tolerance
  }).map(([name, fact]) => `${name}: ${measured.get(name)}, not ${fact}`)
  expect(off).toEqual([])
})

test('seed 1 gives the orders and the catalog it always gave', () => {
  const orders = [...generateOrders({ seed: 1, count: 500 })]
  const catalog = [...generateCatalog({ seed: 1, count: 500 })]
  expect(sha256Hex(canonicalJson(orders))).toMatchInlineSnapshot(
    `"20f777fe3ad71d48925d699ec68d84a893666633650565e892736615f42dbd58"`,
  )
  expect(sha256Hex(canonicalJson(catalog))).toMatchInlineSnapshot(
    `"d499995eb70bb7dfdfaad08f5ff79d0a3c402f831e0dd79b3ea3d5950366f1ce"`,
  )
})

test('more orders only add to the end, another seed gives others', () => {
  const few = [...generateOrders({ seed: 7, count: 50 })]
  expect([...generateOrders({ seed: 7, count: 200 })].slice(0, 50)).toEqual(few)
  expect([...generateOrders({ seed: 8, count: 50 })]).not.toEqual(few)
})

test('the catalog holds each SKU once and exactly the units that the orders name', () => {
  const shop = { seed: 4, count: 300, skus: 400 }
  const left = new Map([...generateCatalog(shop)].map((row) => [row.sku, row.units_needed]))
  expect(left.size).toBe(400)
  for (const { lines } of generateOrders(shop)) {
    for (const { sku, qty } of lines) left.set(sku, (left.get(sku) ?? Number.NaN) - qty)
  }
  expect(new Set(left.values())).toEqual(new Set([0]))
})

test('generated orders are rows that the import takes, in time order and summed up', () => {
  const orders = [...generateOrders({ seed: 5, count: 300 })]
  for (const { country_name: _, goods_minor: goods, ...order } of orders) {
    expect(orderInput.safeParse(order).success).toBe(true)
    expect(order.lines.reduce((sum, one) => sum + one.qty * one.unit_price_minor, 0)).toBe(goods)
  }
  const placed = orders.map((order) => order.placed_at)
  expect(placed).toEqual(placed.toSorted())
  expect(new Set(orders.map((order) => order.order_id)).size).toBe(300)
})

function statistics(orders: readonly GeneratedOrder[]): ReadonlyMap<string, number> {
  const lines = orders.map((order) => order.lines.length).toSorted((a, b) => a - b)
  const percent = (claim: (order: GeneratedOrder) => boolean) =>
    (100 * orders.filter(claim).length) / orders.length
  const at = (share: number) => lines[Math.floor(share * lines.length)] ?? 0
  const hottest = hottestSkus(orders)
  const top = new Set(hottest.slice(0, 10))
  const isHeld = (reason?: 'value' | 'quantity') => (order: GeneratedOrder) => {
    const verdict = review(reviewed(order), INITIAL_RULES, {
      submittedHold: false,
      heldBefore: false,
      approval: 'on',
    })
    return verdict.kind === 'hold' && (reason === undefined || verdict.reasons.includes(reason))
  }
  return new Map<string, number>([
    ['lines per order, p50', at(0.5)],
    ['lines per order, p90', at(0.9)],
    ['lines per order, p99', at(0.99)],
    ['% of orders with one line', percent((order) => order.lines.length === 1)],
    [
      '% of orders with the hottest SKU',
      percent((order) => order.lines.some((line) => line.sku === hottest[0])),
    ],
    [
      '% of orders with one of the ten hottest',
      percent((order) => order.lines.some((line) => top.has(line.sku))),
    ],
    ['% of guests', percent((order) => order.customer === null)],
    ['% of orders from GB', percent((order) => order.country === 'GB')],
    ['% of orders held', percent(isHeld())],
    ['% of orders held for value', percent(isHeld('value'))],
    ['% of orders held for quantity', percent(isHeld('quantity'))],
    [
      '% of orders between 08:00 and 16:00 UTC',
      percent(
        (order) => order.placed_at.slice(11) >= '08:00' && order.placed_at.slice(11) < '16:00',
      ),
    ],
    ['% of orders on a Saturday', percent((order) => new Date(order.placed_at).getUTCDay() === 6)],
  ])
}

function hottestSkus(orders: readonly GeneratedOrder[]): readonly string[] {
  const counts = new Map<string, number>()
  for (const order of orders) {
    for (const sku of new Set(order.lines.map((line) => line.sku))) {
      counts.set(sku, (counts.get(sku) ?? 0) + 1)
    }
  }
  return [...counts].toSorted((a, b) => b[1] - a[1]).map(([sku]) => sku)
}

function reviewed(order: GeneratedOrder) {
  return {
    goodsMinor: order.goods_minor,
    quantityMax: Math.max(...order.lines.map((line) => line.qty)),
    customer: order.customer,
    country: order.country,
  }
}

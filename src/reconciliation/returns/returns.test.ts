import { afterAll, beforeAll, expect, test } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { read, withTransaction } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { inventoryChecks, issueShipment } from '#inventory/index.ts'
import type { OrderPlacing, PlacedOrder } from '#orders/index.ts'
import { createTestContext, createTestDatabase } from '../../../tests/database.ts'
import type { TestDatabase } from '../../../tests/database.ts'
import { anOrder, aRequest, stockShop, testPlacing } from '../../../tests/shop.ts'
import { reconciliationChecks } from '../checks.ts'
import { returnOrder } from './return-order.ts'
import type { OrderReturnWish } from './return-order.ts'
import { returnsOfOrder } from './return-queries.ts'

let test_: TestDatabase
let context: Context
let placing: OrderPlacing
beforeAll(async () => {
  test_ = await createTestDatabase({ connectionsMax: 12 })
  context = await createTestContext(test_.database)
  await stockShop(context, { A: 100, B: 100 })
  placing = testPlacing(context)
})
afterAll(() => test_.drop())

const rows = async (text: string) =>
  (await test_.database.pool.query<Record<string, unknown>>(text)).rows
const onHand = async (sku: string) =>
  (await rows(`select sum(on_hand)::int as units from inventory.stock where sku = '${sku}'`))[0]?.[
    'units'
  ]
const codeOf = (outcome: { ok: boolean; refusal?: { code: string } }) => outcome.refusal?.code

/** An order of 4 A at 2.50 and 3 B at 1.00, of which all A and 2 B were shipped. */
async function shippedOrder(): Promise<PlacedOrder> {
  const lines = [
    { sku: 'A', qty: 4, unit_price_minor: 250 },
    { sku: 'B', qty: 3, unit_price_minor: 100 },
  ]
  const placed = await placing.place(aRequest(anOrder({ lines })))
  if (placed.kind === 'refused') throw new Error(placed.refusal.detail)
  const { order } = placed
  await withTransaction(test_.database, (tx) =>
    issueShipment(tx, 'main', [
      {
        shipmentId: `shp_${order.id}`,
        orderId: order.id,
        locationId: 'loc-shipco',
        lines: [
          { lineNo: 1, sku: 'A', qty: 4 },
          { lineNo: 2, sku: 'B', qty: 2 },
        ],
      },
    ]),
  )
  return order
}

const wish = (order: string, id: string, lines: OrderReturnWish['lines']): OrderReturnWish => ({
  order,
  id,
  lines,
  actor: 'person:ada',
  source: 'http',
  returnedAt: '2026-11-23T10:00:00Z',
})

test('a part comes back once, whole goods lie in stock again and damaged ones do not', async () => {
  const order = await shippedOrder()
  const before = [await onHand('A'), await onHand('B')]
  const lines = [
    { line: 1, qty: 2, condition: 'restock' },
    { line: 2, qty: 1, condition: 'damaged' },
  ] as const
  const give = () => returnOrder(context, wish(order.id, `r-${order.id}`, lines))
  const both = await Promise.all([give(), give(), give()])
  expect(both.filter((one) => orThrow(one).wasNew)).toHaveLength(1)
  expect([await onHand('A'), await onHand('B')]).toEqual([Number(before[0]) + 2, before[1]])
  expect(await returnsOfOrder(test_.database, 'main', order.id)).toMatchObject([
    { line_no: 1, sku: 'A', qty: 2, condition: 'restock', refund_minor: 500, state: 'accepted' },
    { line_no: 2, sku: 'B', qty: 1, condition: 'damaged', refund_minor: 100, state: 'accepted' },
  ])
  const audit = await rows(
    `select actor, action from platform.audit where subject_id = '${order.id}' and action = 'order.return'`,
  )
  expect(audit).toEqual([{ actor: 'person:ada', action: 'order.return' }])
})

test('no more comes back than was shipped, however many ask at once', async () => {
  const order = await shippedOrder()
  const outcomes = await Promise.all(
    [1, 2, 3, 4, 5, 6].map((number) =>
      returnOrder(
        context,
        wish(order.id, `race-${number}-${order.id}`, [{ line: 1, qty: 1, condition: 'restock' }]),
      ),
    ),
  )
  expect(outcomes.filter((one) => one.ok)).toHaveLength(4)
  expect(outcomes.flatMap((one) => codeOf(one) ?? [])).toEqual([
    'return_unmatched',
    'return_unmatched',
  ])
})

test('a return is taken whole or not at all', async () => {
  const order = await shippedOrder()
  const before = await onHand('A')
  const refused = await returnOrder(
    context,
    wish(order.id, `half-${order.id}`, [
      { line: 1, qty: 1, condition: 'restock' },
      { line: 2, qty: 3, condition: 'restock' },
    ]),
  )
  expect(codeOf(refused)).toBe('return_unmatched')
  expect(await onHand('A')).toBe(before)
  expect(await returnsOfOrder(test_.database, 'main', order.id)).toEqual([])
})

test('an id stands for one content, and an order and a line must be ours', async () => {
  const order = await shippedOrder()
  const id = `c-${order.id}`
  orThrow(
    await returnOrder(context, wish(order.id, id, [{ line: 1, qty: 1, condition: 'restock' }])),
  )
  const later = {
    ...wish(order.id, id, [{ line: 1, qty: 1, condition: 'restock' }]),
    returnedAt: '2026-11-24T00:00:00Z',
  }
  expect(orThrow(await returnOrder(context, later)).wasNew).toBe(false)
  const other = wish(order.id, id, [{ line: 1, qty: 2, condition: 'restock' }])
  expect(codeOf(await returnOrder(context, other))).toBe('return_conflict')
  expect(codeOf(await returnOrder(context, { ...other, order: 'ord_no' }))).toBe('order_unknown')
  const noLine = wish(order.id, 'x', [{ line: 9, qty: 1, condition: 'restock' }])
  expect(codeOf(await returnOrder(context, noLine))).toBe('return_unmatched')
})

test('every invariant of stock and returns holds, and a forged counter breaks one', async () => {
  const broken = async () => {
    const claims: string[] = []
    for (const { claim, find } of [...inventoryChecks, ...reconciliationChecks]) {
      if ((await read(test_.database, find, { merchant: 'main' })).length > 0) claims.push(claim)
    }
    return claims
  }
  expect(await broken()).toEqual([])
  await rows('update reconciliation.returned_line set returned = returned + 9')
  expect(await broken()).toEqual([
    'no order line came back more often than it was issued',
    'every counter of returned units is the sum of its parts',
  ])
})

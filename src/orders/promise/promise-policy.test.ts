import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestContext, createTestDatabase } from '../../../tests/database.ts'
import type { TestDatabase } from '../../../tests/database.ts'
import { anOrder, aRequest, stockShop, testPlacing } from '../../../tests/shop.ts'
import type { Context } from '#platform/index.ts'
import type { OrderPlacing } from '../place/place-orders.ts'
import { contentSha256 } from '../place/place-request.ts'
import type { PlacedOrder, PlaceOutcome } from '../place/place-request.ts'
import { promisedShipByMs } from './promise.ts'
import { promisePolicies, setPromisePolicy } from './promise-policy.ts'

let db: TestDatabase
let context: Context
let placing: OrderPlacing
beforeAll(async () => {
  db = await createTestDatabase({ connectionsMax: 10 })
  context = await createTestContext(db.database)
  await stockShop(context, { A: 1_000 })
  placing = testPlacing(context)
})
afterAll(() => db.drop())

function orderOf(outcome: PlaceOutcome): PlacedOrder {
  if (outcome.kind === 'refused') throw new Error(outcome.refusal.code)
  return outcome.order
}

async function kept(id: string): Promise<{ ship_by: Date; promise_version: number | null }> {
  const { rows } = await db.database.pool.query<{ ship_by: Date; promise_version: number | null }>(
    `select ship_by, promise_version from orders."order" where id = $1`,
    [id],
  )
  const [row] = rows
  if (!row) throw new Error('no such order')
  return row
}

describe('every new order has a promise', () => {
  test('the one it brings, from a caller who may say so', async () => {
    const order = orderOf(await placing.place(aRequest(anOrder({ ship_by: '2026-12-24' }))))
    expect(order.shipByMs).toBe(Date.parse('2026-12-24T23:59:59Z'))
    expect(await kept(order.id)).toEqual({
      ship_by: new Date('2026-12-24T23:59:59Z'),
      promise_version: null,
    })
  })

  test('else the one of the policy in force, which it names, and keeps when the policy changes', async () => {
    const first = orderOf(await placing.place(aRequest()))
    const before = await kept(first.id)
    expect(before.promise_version).toBe(0)
    const author = { actor: 'test', reason: 'second shift' }
    const set = await setPromisePolicy(context, {
      handlingDays: 30,
      workingDays: ['tue'],
      ...author,
    })
    const second = orderOf(await placing.place(aRequest()))
    const after = await kept(second.id)
    expect(after.promise_version).toBe(set.version)
    expect(after.ship_by.getUTCDay()).toBe(2)
    expect(after.ship_by.getTime() - Date.now()).toBeGreaterThan(29 * 7 * 86_400_000)
    expect(await kept(first.id)).toEqual(before)
  })

  test('an old order that is imported is promised from now on, not from when it was placed', async () => {
    const old = anOrder({ placed_at: '2010-12-01T08:26:00Z', order_id: '536365' })
    const { shipByMs } = orderOf(await placing.place(aRequest(old, { source: 'import' })))
    expect(shipByMs).toBeGreaterThan(Date.now())
  })

  test('whoever may not say it is not heard', async () => {
    const wish = aRequest(anOrder({ ship_by: '2026-12-24' }), { isTrusted: false })
    expect((await kept(orderOf(await placing.place(wish)).id)).promise_version).not.toBe(null)
  })

  test('the replay says the promise of the first answer', async () => {
    const order = anOrder({ order_id: 'again', ship_by: '2026-12-24T10:00:00Z' })
    const first = await placing.place(aRequest(order))
    const again = await placing.place(aRequest({ ...order, ship_by: '2026-12-24T11:00:00+01:00' }))
    expect(again).toEqual({ kind: 'replayed', order: orderOf(first) })
    const other = await placing.place(aRequest({ ...order, ship_by: '2026-12-25' }))
    expect(other).toMatchObject({ refusal: { code: 'order_reference_conflict' } })
  })

  test('an order without one has the digest that it had before there were any', () => {
    expect(contentSha256(anOrder()).toString('hex')).toBe(
      '3ce7c9512065f1a8bc94da311e5801863720fd545664b8936c5377af7ba1068d',
    )
  })
})

test('policies are versions: people who set one at once each get their own, and none is lost', async () => {
  const [before] = await promisePolicies(context.database, context.merchant)
  const author = { actor: 'test', reason: 'race' }
  const set = await Promise.all(
    [1, 2, 3, 4].map((handlingDays) => setPromisePolicy(context, { handlingDays, ...author })),
  )
  const versions = set.map((one) => one.version - before.version).toSorted((a, b) => a - b)
  expect(versions).toEqual([1, 2, 3, 4])
  // Working days that nobody named stay as they were.
  expect(set.every((one) => one.workingDays.join() === before.workingDays.join())).toBe(true)
  const due = promisedShipByMs(Date.now(), set[0] ?? before)
  expect(due).toBeGreaterThan(Date.now())
})

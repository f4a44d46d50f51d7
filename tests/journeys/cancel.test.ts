import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { openCancelWorld } from './cancel-world.ts'
import type { Bought } from './cancel-world.ts'

let world: Awaited<ReturnType<typeof openCancelWorld>>
beforeAll(async () => {
  world = await openCancelWorld()
})
afterAll(() => world.stop())

const NONE = { units: 0, moves: 0 }
const ONCE = { units: 1, moves: 1 }
const WAIT = { timeout: 30_000, interval: 50 }
/** Waits until the partners' ledgers show so many acceptances. */
const accepted = (order: Bought, acceptances = 1) =>
  vi.waitFor(async () => expect(await world.judge(order)).toHaveLength(acceptances), WAIT)

describe('a buyer who cancels is told one of three things', () => {
  test('before the seal: cancelled, at once', async () => {
    const order = await world.buy({ country: 'FR' })
    const answer = await world.cancel(order)
    expect(answer).toMatchObject({ status: 200, body: { status: 'cancelled' } })
    expect(await world.show(order)).toMatchObject({ status: 'cancelled' })
    expect(await world.released(order)).toEqual(ONCE)
    expect(await world.judge(order)).toEqual([])
  })

  test('after acceptance: requested, and cancelled when the partner has given it back', async () => {
    await world.neverPicks('shipco', true)
    const order = await world.buy()
    await accepted(order)
    const answer = await world.cancel(order)
    expect(answer).toMatchObject({ status: 202, body: { status: 'cancellation_requested' } })
    await world.reaches(order, 'cancelled')
    expect(await world.released(order)).toEqual(ONCE)
    expect(await world.judge(order)).toMatchObject([
      { recalled_at: expect.any(String), shipped_at: null },
    ])
    // Again: nothing is released twice.
    expect(await world.cancel(order)).toMatchObject({ status: 200 })
    expect(await world.released(order)).toEqual(ONCE)
  })

  test('after shipping: refused by a code that names how the goods come back', async () => {
    await world.neverPicks('shipco', false)
    const order = await world.buy()
    await world.reaches(order, 'shipped')
    const answer = await world.cancel(order)
    expect(answer).toMatchObject({
      status: 409,
      body: {
        code: 'order_shipped',
        meta: { return: { route: `POST /admin/orders/${order.id}/returns` } },
      },
    })
    expect(await world.show(order)).toMatchObject({
      status: 'shipped',
      change: { kind: 'cancel', state: 'refused', code: 'order_shipped' },
    })
    expect(await world.released(order)).toEqual(NONE)
  })
})

test('an address changes after the seal only when the old parcel was given back', async () => {
  await world.neverPicks('shipco', true)
  const order = await world.buy()
  await accepted(order)
  const moved = { name: 'Ada', country: 'GB', street: 'New Road 1' }
  const answer = await world.readdress(order, moved)
  expect(answer).toMatchObject({ status: 202, body: { status: 'address_change_requested' } })
  await accepted(order, 2)
  expect(await world.judge(order)).toMatchObject([
    { recalled_at: expect.any(String), shipped_at: null },
    { recalled_at: null },
  ])
  expect(await world.show(order)).toMatchObject({
    ship_to: moved,
    change: { kind: 'amend', state: 'done' },
  })
  const claims = await world.query(
    `select f.revision, l.state from fulfillment.line_claim l
       join fulfillment.fulfillment_order f on f.id = l.fulfillment_id
      where l.order_id = $1 order by f.revision`,
    [order.id],
  )
  expect(claims).toEqual([
    { revision: 1, state: 'recalled' },
    { revision: 2, state: 'live' },
  ])
})

test('of an order with two partners one part has left: the other is stopped, and both are told', async () => {
  await world.neverPicks('shipco', false)
  await world.neverPicks('packlogic', true)
  const lines = [
    { sku: 'A', qty: 1 },
    { sku: 'B', qty: 1 },
  ]
  const order = await world.buy({ lines })
  await accepted(order, 2)
  await vi.waitFor(async () => {
    const rows = await world.judge(order)
    expect(rows.filter((row) => row.shipped_at !== null)).toHaveLength(1)
  }, WAIT)
  await world.cancel(order)
  await world.reaches(order, 'partly_cancelled')
  expect(await world.show(order)).toMatchObject({
    change: { kind: 'cancel', state: 'done', code: 'order_partly_shipped' },
  })
  expect(await world.released(order)).toEqual(ONCE)
  const parts = (await world.judge(order)).map((row) => [
    row.partner,
    row.recalled_at !== null,
    row.shipped_at !== null,
  ])
  expect(parts).toEqual([
    ['shipco', false, true],
    ['packlogic', true, false],
  ])
})

test('raced fifty times against dispatch: no partner call, or one recall; never shipped and released', async () => {
  await world.neverPicks('shipco', true)
  const ends = new Map<string, number>()
  for (let round = 0; round < 5; round += 1) {
    const orders = await Promise.all(Array.from({ length: 10 }, () => world.buy()))
    await Promise.all(
      orders.map(async (order, index) => {
        // Each looks a little longer than the one before, so that the race is met at every point.
        for (let look = 0; look < index * (round + 1); look += 1) await world.show(order)
        expect([200, 202]).toContain((await world.cancel(order, index)).status)
      }),
    )
    for (const order of orders) {
      await world.reaches(order, 'cancelled')
      const rows = await world.judge(order)
      const asked = await world.query(
        `select o.outcome from fulfillment.recall_order o
           join fulfillment.line_claim l on l.fulfillment_id = o.fulfillment_id
            and l.dispatch_id = o.dispatch_id
          where l.order_id = $1`,
        [order.id],
      )
      const isCalled = rows.length > 0
      const called = rows.map((row) => [row.recalled_at !== null, row.shipped_at !== null])
      const answers = asked.map((row) => row['outcome'])
      // No partner call and no recall, or one acceptance that one recall took back.
      const wanted = isCalled ? [[[true, false]], ['recalled']] : [[], []]
      expect([called, answers]).toEqual(wanted)
      expect(await world.released(order)).toEqual(ONCE)
      const end = isCalled ? 'recalled' : 'never called'
      ends.set(end, (ends.get(end) ?? 0) + 1)
    }
  }
  expect([...ends.values()].reduce((sum, count) => sum + count, 0)).toBe(50)
})

test('raced against a partner that ships at once: cancelled and released, or shipped, never both', async () => {
  await world.neverPicks('shipco', false)
  const orders = await Promise.all(Array.from({ length: 20 }, () => world.buy()))
  await Promise.all(
    orders.map(async (order, index) => {
      for (let look = 0; look < index; look += 1) await world.show(order)
      await world.cancel(order, index)
    }),
  )
  for (const order of orders) {
    await vi.waitFor(async () => {
      const { change } = await world.show(order)
      expect(change).not.toMatchObject({ state: 'requested' })
    }, WAIT)
    const { status } = await world.show(order)
    const rows = await world.judge(order)
    const live = rows.filter((row) => row.recalled_at === null)
    const shipped = rows.filter((row) => row.shipped_at !== null)
    const isCancelled = status === 'cancelled'
    expect([isCancelled, live.length, shipped.length > 1]).toEqual([
      isCancelled,
      isCancelled ? 0 : 1,
      false,
    ])
    expect(await world.released(order)).toEqual(isCancelled ? ONCE : NONE)
  }
})

test('after all of it every invariant holds', async () => {
  expect(await world.violations()).toEqual([])
})

import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { seededRandom, sha256, systemClock } from '#kernel/index.ts'
import { withTransaction } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { upsertProducts } from '#catalog/index.ts'
import { recordStock } from '#inventory/index.ts'
import { createTestContext, createTestDatabase } from '../../../tests/database.ts'
import type { TestDatabase } from '../../../tests/database.ts'
import { anOrder, aRequest, stockShop, testPlacing } from '../../../tests/shop.ts'
import { INITIAL_RULES } from '../rule-set.ts'
import { setPromisePolicy } from '../promise/promise-policy.ts'
import { foresight } from './foresight.ts'
import type { PlaceOutcome } from './place-request.ts'

let db: TestDatabase
let context: Context
beforeAll(async () => {
  db = await createTestDatabase({ connectionsMax: 8 })
  context = await createTestContext(db.database)
  await stockShop(context, { A: 10_000, B: 10_000, DEAR: 10_000, GONE: 10_000, FEW: 100, MAD: 500 })
})
afterAll(() => db.drop())

let names = 0
const keyed = (body = 'x') => ({
  scope: 'public',
  key: `key-${(names += 1)}`,
  requestSha256: sha256(body),
})
const wish = (sku: string, qty = 1, idempotency = keyed()) =>
  aRequest(anOrder({ lines: [{ sku, qty }] }), { idempotency })
const rows = async (text: string, values: unknown[] = []) =>
  (await db.database.pool.query(text, values)).rows
const setProduct = (sku: string, priceMinor: number, isActive = true) =>
  withTransaction(context.database, (tx) =>
    upsertProducts(tx, 'main', [{ sku, title: sku, priceMinor, currency: 'GBP', isActive }]),
  )
const setRules = (version: number, valueMinor: number) =>
  rows(
    `insert into orders.rule_set (merchant_id, version, rules, actor, reason) values ('main', $1, $2, 'test', 'test')`,
    [version, JSON.stringify({ ...INITIAL_RULES, valueMinor })],
  )
const countStock = (sku: string, quantity: number) =>
  withTransaction(context.database, (tx) =>
    recordStock(
      tx,
      'main',
      {
        id: `count-${(names += 1)}`,
        kind: 'count',
        lines: [{ sku, locationId: 'loc-shipco', quantity }],
      },
      'test',
    ),
  )
const placed = (outcome: PlaceOutcome) => {
  if (outcome.kind === 'refused') throw new Error(outcome.refusal.code)
  return outcome.order
}

/** Groups of statements that `act` sends: each is one round trip. */
async function roundTrips(act: () => Promise<unknown>): Promise<number> {
  const sent = vi.spyOn(Client.prototype, 'query')
  try {
    await act()
    return sent.mock.calls.length
  } finally {
    sent.mockRestore()
  }
}

test('what is remembered is written in one round trip, with the commit; what is not is asked for', async () => {
  // The first order of a shop writes its rules.
  await testPlacing(context).place(wish('A'))
  const { place } = testPlacing(context)
  expect(await roundTrips(() => place(wish('A')))).toBe(2)
  expect(await roundTrips(() => place(wish('A')))).toBe(1)
  expect(await roundTrips(() => place(wish('B')))).toBe(2)
  expect(await roundTrips(() => Promise.all([place(wish('A')), place(wish('B'))]))).toBe(1)
  // A reference may have been sent before, so that its answer is waited for.
  const named = aRequest(anOrder({ order_id: 'r-1' }))
  expect(await roundTrips(() => place(named))).toBe(2)
})

describe('what changes behind the memory is what counts', () => {
  test('a price', async () => {
    const { place } = testPlacing(context)
    expect(placed(await place(wish('DEAR'))).totalMinor).toBe(500)
    await setProduct('DEAR', 700)
    expect(placed(await place(wish('DEAR'))).totalMinor).toBe(700)
    // And from then on it is remembered as it is.
    expect(await roundTrips(() => place(wish('DEAR')))).toBe(1)
  })

  test('a product that is no longer for sale, or withdrawn until its stock is explained', async () => {
    const { place } = testPlacing(context)
    await place(wish('GONE'))
    await setProduct('GONE', 500, false)
    expect(await place(wish('GONE'))).toMatchObject({ refusal: { code: 'product_unknown' } })
    await setProduct('GONE', 500)
    await place(wish('GONE'))
    await rows(`update inventory.stock set quarantined_at = now() where sku = 'GONE'`)
    expect(await place(wish('GONE'))).toMatchObject({ refusal: { code: 'sku_quarantined' } })
  })

  test('the rules and the promise', async () => {
    const { place } = testPlacing(context)
    const before = placed(await place(wish('A', 3)))
    await setRules(2, 1_000)
    const held = placed(await place(wish('A', 3)))
    expect([before.verdict, held.verdict, held.reasons]).toEqual(['clear', 'hold', ['value']])
    await setPromisePolicy(context, { handlingDays: 9, actor: 'test', reason: 'test' })
    const later = placed(await place(wish('A', 3)))
    expect((later.shipByMs ?? 0) - (held.shipByMs ?? 0)).toBeGreaterThan(5 * 86_400_000)
    const [row] = await rows(
      `select d.rule_version, o.promise_version from orders.decision d
         join orders."order" o on o.id = d.order_id where o.id = $1`,
      [later.id],
    )
    expect(row).toEqual({ rule_version: 2, promise_version: 1 })
    await setRules(3, INITIAL_RULES.valueMinor)
  })

  test('the units: they are sold to the last one and never beyond, whoever takes them', async () => {
    const [here, there] = [testPlacing(context), testPlacing(context)]
    await here.place(wish('FEW'))
    await there.place(wish('FEW', 90))
    // Nine are left; here 99 are remembered, of which ten are no trouble at all.
    expect(await here.place(wish('FEW', 10))).toMatchObject({
      refusal: { code: 'insufficient_stock', meta: { lines: [{ sku: 'FEW', available: 9 }] } },
    })
    expect((await here.place(wish('FEW', 9))).kind).toBe('placed')
    const [row] = await rows(`select available, reserved from inventory.stock where sku = 'FEW'`)
    expect(row).toEqual({ available: 0, reserved: 100 })
  })

  test('a key that was used', async () => {
    const [here, there] = [testPlacing(context), testPlacing(context)]
    const used = keyed()
    const first = await there.place(wish('A', 1, used))
    await here.place(wish('A'))
    const fresh = keyed()
    const answers = await Promise.all([
      here.place(wish('A', 1, used)),
      here.place(wish('A', 1, fresh)),
      here.place(wish('A', 1, { ...used, requestSha256: sha256('other') })),
    ])
    expect(answers).toMatchObject([
      { kind: 'replayed', order: placed(first) },
      { kind: 'placed' },
      { refusal: { code: 'idempotency_key_reused' } },
    ])
    const stored = await rows(
      'select count(*)::int as n from orders.idempotency_key where key = any($1)',
      [[used.key, fresh.key]],
    )
    expect(stored).toEqual([{ n: 2 }])
  })

  test('the time: a clock of this process that runs away does not reach a decision', async () => {
    let leapMs = 0
    const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + leapMs }
    const { place } = testPlacing({ ...context, clock })
    await place(wish('A'))
    leapMs = 3_600_000
    const { id } = placed(await place(wish('A')))
    leapMs = -3_600_000
    const { id: later } = placed(await place(wish('A')))
    const told = await rows(
      'select abs(extract(epoch from effective_at - recorded_at)) < 1 as is_near from orders.decision where order_id = any($1)',
      [[id, later]],
    )
    expect(told).toEqual([{ is_near: true }, { is_near: true }])
  })
})

test('whatever changes between two orders, each is decided as if everything had been asked for', async () => {
  for (const seed of [1, 2, 3]) {
    const random = seededRandom(seed)
    const below = (max: number) => Math.floor(random() * max)
    const { place } = testPlacing(context)
    let price = 500
    let isActive = true
    await setProduct('MAD', price)
    for (let step = 0; step < 60; step += 1) {
      const change = below(6)
      if (change === 0) await setProduct('MAD', (price = 100 + below(900)), isActive)
      if (change === 1) await setProduct('MAD', price, (isActive = !isActive))
      const [book] = await rows(
        `select available::int, reserved::int from inventory.stock where sku = 'MAD'`,
      )
      if (change === 2) await countStock('MAD', book.reserved + below(200))
      const [{ available }] = await rows(
        `select available::int from inventory.stock where sku = 'MAD'`,
      )
      const qty = 1 + below(20)
      const outcome = await place(wish('MAD', qty))
      const said = outcome.kind === 'refused' ? outcome.refusal.code : outcome.order.totalMinor
      const enough = available >= qty ? qty * price : 'insufficient_stock'
      expect(said, `seed ${seed}, step ${step}`).toBe(isActive ? enough : 'product_unknown')
    }
  }
})

test('the memory is bounded, and what was learned last stays', () => {
  const memory = foresight(systemClock)
  const rules = {
    version: 1,
    rules: INITIAL_RULES,
    promise: { version: 0, handlingDays: 2, workingDays: ['mon'] as const },
    now_ms: 0,
  }
  const item = (sku: string) => ({
    index: 0,
    request: aRequest(anOrder({ lines: [{ sku, qty: 1 }] })),
    reference: null,
    orderId: 'ord_1',
    isKnown: false,
  })
  for (let n = 0; n <= 10_000; n += 1) {
    const sku = `S${n}`
    memory.learn({
      products: [{ sku, priceMinor: 1, currency: 'GBP', isActive: true }],
      rules,
      stock: { free: new Map([[sku, new Map([['loc', 100]])]]), quarantined: new Set() },
    })
  }
  expect(memory.foresee([item('S0')])).toBeUndefined()
  expect(memory.foresee([item('S1')])).toBeDefined()
  expect(memory.foresee([item('S10000')])?.products).toMatchObject([{ sku: 'S10000' }])
})

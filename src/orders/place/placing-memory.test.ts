import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { seededRandom, sha256, systemClock } from '#kernel/index.ts'
import { withTransaction } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { upsertProducts } from '#catalog/index.ts'
import { addLocation, recordStock } from '#inventory/index.ts'
import { metrics } from '#telemetry/index.ts'
import { createTestContext, createTestDatabase } from '../../../tests/database.ts'
import type { TestDatabase } from '../../../tests/database.ts'
import { anOrder, aRequest, stockShop, testPlacing } from '../../../tests/shop.ts'
import { INITIAL_RULES } from '../rule-set.ts'
import { setPromisePolicy } from '../promise/promise-policy.ts'
import type { PlaceOutcome } from './place-request.ts'
import { placingMemory } from './placing-memory.ts'

let db: TestDatabase
let context: Context
beforeAll(async () => {
  db = await createTestDatabase({ connectionsMax: 8 })
  context = await createTestContext(db.database)
  const plenty = { A: 10_000, B: 10_000, DEAR: 10_000, GONE: 10_000, BOTH: 10_000 }
  await stockShop(context, { ...plenty, FEW: 100, MAD: 500 })
  // The first order of a shop writes its rules.
  await testPlacing(context).place(wish('A'))
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
const countStock = (sku: string, quantity: number, locationId = 'loc-shipco') =>
  withTransaction(context.database, (tx) => {
    const id = `count-${(names += 1)}`
    const lines = [{ sku, locationId, quantity }]
    return recordStock(tx, 'main', { id, kind: 'count', lines }, 'test')
  })
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

/** Batches that were decided by memory and had to ask after all, while `act` ran. */
async function failedWithin(act: () => Promise<unknown>): Promise<number> {
  const failed = async () => {
    const counter = metrics.registry.getSingleMetric('holdfast_intake_batches_total')
    const values = (await counter?.get())?.values ?? []
    return values.find(({ labels }) => labels['way'] === 'failed')?.value ?? 0
  }
  const before = await failed()
  await act()
  return (await failed()) - before
}

/** A lane that has sold a SKU before, so that it goes by memory. */
async function warmLane(sku: string) {
  const lane = testPlacing(context)
  await lane.place(wish(sku))
  return lane
}

test('what is remembered is written in one round trip, with the commit; what is not is asked for', async () => {
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
    const { place } = await warmLane('DEAR')
    await setProduct('DEAR', 700)
    let order = { totalMinor: 0 }
    expect(await failedWithin(async () => (order = placed(await place(wish('DEAR')))))).toBe(1)
    expect(order.totalMinor).toBe(700)
    // After a failure one batch asks; from then on the price is remembered as it is.
    await place(wish('DEAR'))
    expect(await roundTrips(() => place(wish('DEAR')))).toBe(1)
  })

  test('a product that is no longer for sale, or withdrawn until its stock is explained', async () => {
    const away = await warmLane('GONE')
    await setProduct('GONE', 500, false)
    let said: unknown
    expect(await failedWithin(async () => (said = await away.place(wish('GONE'))))).toBe(1)
    expect(said).toMatchObject({ refusal: { code: 'product_unknown' } })
    await setProduct('GONE', 500)
    const blocked = await warmLane('GONE')
    await rows(`update inventory.stock set quarantined_at = now() where sku = 'GONE'`)
    expect(await failedWithin(async () => (said = await blocked.place(wish('GONE'))))).toBe(1)
    expect(said).toMatchObject({ refusal: { code: 'sku_quarantined' } })
  })

  test('the rules and the promise, by their content', async () => {
    const first = await warmLane('A')
    const before = placed(await first.place(wish('A', 3)))
    await setRules(2, 1_000)
    let held = before
    expect(await failedWithin(async () => (held = placed(await first.place(wish('A', 3)))))).toBe(1)
    expect([before.verdict, held.verdict, held.reasons]).toEqual(['clear', 'hold', ['value']])
    const second = await warmLane('A')
    await setPromisePolicy(context, { handlingDays: 9, actor: 'test', reason: 'test' })
    let later = held
    expect(await failedWithin(async () => (later = placed(await second.place(wish('A', 3)))))).toBe(
      1,
    )
    expect((later.shipByMs ?? 0) - (held.shipByMs ?? 0)).toBeGreaterThan(5 * 86_400_000)
    // As after a failover that lost a change: the same number stands for other rules.
    const third = await warmLane('A')
    await db.asOwner(
      `update orders.rule_set set rules = jsonb_set(rules, '{valueMinor}', '50000') where version = 2`,
    )
    let cleared = later
    expect(
      await failedWithin(async () => (cleared = placed(await third.place(wish('A', 3))))),
    ).toBe(1)
    expect(cleared.verdict).toBe('clear')
    const fourth = await warmLane('A')
    await db.asOwner('update orders.promise_policy set handling_days = 1')
    expect(await failedWithin(() => fourth.place(wish('A')))).toBe(1)
  })

  test('the units: two that remember them sell them to the last one and never beyond', async () => {
    const [here, there] = [await warmLane('FEW'), await warmLane('FEW')]
    await there.place(wish('FEW', 89))
    // Nine are left, and here about a hundred are remembered, of which ten pass for plenty.
    let said: unknown
    expect(await failedWithin(async () => (said = await here.place(wish('FEW', 10))))).toBe(1)
    expect(said).toMatchObject({
      refusal: { code: 'insufficient_stock', meta: { lines: [{ sku: 'FEW', available: 9 }] } },
    })
    const last = await Promise.all(
      Array.from({ length: 12 }, (_, n) => (n % 2 ? here : there).place(wish('FEW'))),
    )
    expect(last.filter((one) => one.kind === 'placed')).toHaveLength(9)
    const [row] = await rows(`select available, reserved from inventory.stock where sku = 'FEW'`)
    expect(row).toEqual({ available: 0, reserved: 100 })
  })

  test('a location that others emptied', async () => {
    await withTransaction(context.database, (tx) =>
      addLocation(tx, 'main', { id: 'loc-two', name: 'two' }),
    )
    await countStock('BOTH', 9_000, 'loc-two')
    const { place } = await warmLane('BOTH')
    await countStock('BOTH', 1)
    const outcomes: PlaceOutcome[] = []
    expect(await failedWithin(async () => outcomes.push(await place(wish('BOTH', 5))))).toBe(1)
    const [order] = outcomes.map(placed)
    const taken = await rows(
      `select location_id from inventory.movement where subject_id = $1 and kind = 'reserve'`,
      [order?.id],
    )
    expect(taken).toEqual([{ location_id: 'loc-two' }])
  })

  test('a key that was used', async () => {
    const [here, there] = [await warmLane('A'), testPlacing(context)]
    const used = keyed()
    const first = await there.place(wish('A', 1, used))
    const fresh = keyed()
    let answers: readonly PlaceOutcome[] = []
    const failed = await failedWithin(async () => {
      answers = await Promise.all([
        here.place(wish('A', 1, used)),
        here.place(wish('A', 1, fresh)),
        here.place(wish('A', 1, { ...used, requestSha256: sha256('other') })),
      ])
    })
    expect(failed).toBe(1)
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
    // Within what units are remembered for, and beyond what a decision may be off.
    leapMs = 5_000
    const ids: string[] = []
    expect(await failedWithin(async () => ids.push(placed(await place(wish('A'))).id))).toBe(1)
    await place(wish('A'))
    leapMs = -5_000
    expect(await failedWithin(async () => ids.push(placed(await place(wish('A'))).id))).toBe(1)
    const told = await rows(
      'select abs(extract(epoch from effective_at - recorded_at)) < 1 as is_near from orders.decision where order_id = any($1)',
      [ids],
    )
    expect(told).toEqual([{ is_near: true }, { is_near: true }])
  })
})

test('whoever repeats old keys makes a memory ask, not every batch run twice', async () => {
  const { place } = await warmLane('A')
  const used = keyed()
  await place(wish('A', 1, used))
  const failed = await failedWithin(async () => {
    for (let n = 0; n < 40; n += 1) expect((await place(wish('A', 1, used))).kind).toBe('replayed')
  })
  // Between failures 1, 2, 4, 8, 16 batches ask.
  expect(failed).toBe(6)
})

test('equal requests in one batch are one order, and only the first goes by memory', async () => {
  const { place } = await warmLane('A')
  const one = keyed()
  let answers: readonly PlaceOutcome[] = []
  const failed = await failedWithin(async () => {
    answers = await Promise.all(Array.from({ length: 5 }, () => place(wish('A', 1, one))))
  })
  expect(failed).toBe(0)
  expect(answers.map((answer) => answer.kind).toSorted()).toEqual([
    'placed',
    ...Array.from({ length: 4 }, () => 'replayed'),
  ])
})

test('an order is priced and refused as it would be if everything had been asked for', async () => {
  for (const seed of [1, 2, 3]) {
    const random = seededRandom(seed)
    const below = (max: number) => Math.floor(random() * max)
    const { place } = testPlacing(context)
    let price = 500
    let isActive = true
    let byMemory = 0
    await setProduct('MAD', price)
    const steps = async () => {
      for (let step = 0; step < 60; step += 1) {
        const change = below(12)
        if (change === 0) await setProduct('MAD', (price = 100 + below(900)), isActive)
        if (change === 1) await setProduct('MAD', price, (isActive = !isActive))
        const [book] = await rows(
          `select reserved::int from inventory.stock where sku = 'MAD' and location_id = 'loc-shipco'`,
        )
        if (change === 2 || change > 9)
          await countStock('MAD', book.reserved + (change === 2 ? below(20) : 900))
        const [{ available }] = await rows(
          `select sum(available)::int as available from inventory.stock where sku = 'MAD'`,
        )
        const qty = 1 + below(20)
        let outcome: PlaceOutcome | undefined
        const trips = await roundTrips(async () => (outcome = await place(wish('MAD', qty))))
        if (trips === 1) byMemory += 1
        const said = outcome?.kind === 'refused' ? outcome.refusal.code : outcome?.order.totalMinor
        const enough = available >= qty ? qty * price : 'insufficient_stock'
        expect(said, `seed ${seed}, step ${step}`).toBe(isActive ? enough : 'product_unknown')
      }
    }
    expect(await failedWithin(steps)).toBeGreaterThan(0)
    expect(byMemory).toBeGreaterThan(0)
  }
})

const someRules = {
  version: 1,
  rules: INITIAL_RULES,
  unread: [],
  stored: { rules: '{}', promise: null },
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

test('the memory is bounded, and what was learned last stays', () => {
  let nowMs = 0
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs }
  const memory = placingMemory(clock)
  const learn = (sku: string, units: readonly number[]) =>
    memory.learn(
      {
        products: [{ sku, priceMinor: 1, currency: 'GBP', isActive: true }],
        rules: someRules,
        stock: {
          free: new Map([[sku, new Map(units.map((free, n) => [`loc-${n}`, free]))]]),
          quarantined: new Set(),
        },
      },
      nowMs,
    )
  for (let n = 0; n <= 10_000; n += 1) {
    const sku = `S${n}`
    learn(sku, [100])
  }
  expect(memory.factsFor([item('S0')])).toBeUndefined()
  expect(memory.factsFor([item('S1')])).toBeDefined()
  expect(memory.factsFor([item('S10000')])?.products).toMatchObject([{ sku: 'S10000' }])
  // Few units where it would take them make it ask; few elsewhere do not.
  learn('S1', [7, 3])
  expect(memory.factsFor([item('S1')])).toBeUndefined()
  learn('S1', [7, 1_000])
  expect(memory.factsFor([item('S1')])).toBeDefined()
  nowMs += 10_001
  expect(memory.factsFor([item('S1')])).toBeUndefined()
})

test('an answer that took long does not set the remembered time back', () => {
  let nowMs = 1_000
  const memory = placingMemory({ nowMs: () => nowMs, monotonicMs: () => nowMs })
  const answer = (now_ms: number, beganMs: number) => {
    const products = [{ sku: 'A', priceMinor: 1, currency: 'GBP', isActive: true }]
    const stock = {
      free: new Map([['A', new Map([['loc', 100]])]]),
      quarantined: new Set<string>(),
    }
    memory.learn({ products, rules: { ...someRules, now_ms }, stock }, beganMs)
    return memory.nowMs()
  }
  // The database is 500,000 ms ahead, and the first answer takes 4 ms.
  expect(answer(501_000, 996)).toBe(501_000)
  nowMs = 5_000
  expect(answer(502_010, 2_000)).toBe(505_000)
  // What can no longer be so gives way: a database whose clock was set back.
  nowMs = 6_000
  expect(answer(400_000, 5_990)).toBe(400_010)
})

test('an answer that comes late teaches nothing over one that was asked for after it', () => {
  const memory = placingMemory({ nowMs: () => 100, monotonicMs: () => 100 })
  const answer = (priceMinor: number, version: number, beganMs: number) => {
    const products = [{ sku: 'A', priceMinor, currency: 'GBP', isActive: true }]
    const stock = {
      free: new Map([['A', new Map([['loc', 100]])]]),
      quarantined: new Set<string>(),
    }
    memory.learn({ products, rules: { ...someRules, version }, stock }, beganMs)
  }
  answer(700, 2, 50)
  answer(500, 1, 20)
  const facts = memory.factsFor([item('A')])
  expect([facts?.products[0]?.priceMinor, facts?.rules.version]).toEqual([700, 2])
})

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { orThrow, sha256 } from '#kernel/index.ts'
import { closeDatabase, openDatabase, recordProvenance } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { listStock } from '#inventory/index.ts'
import { verifyApproval } from '#wire/index.ts'
import { createTestContext, createTestDatabase } from '../../../tests/database.ts'
import type { TestDatabase } from '../../../tests/database.ts'
import {
  anOrder,
  aRequest,
  stockShop,
  testFlags,
  testPlacing,
  testReviewKeys,
} from '../../../tests/shop.ts'
import { completeCheckout, expireOldCheckouts, openCheckout } from '../checkout.ts'
import { orderInput } from '../order-input.ts'
import { placeOrders } from './place-orders.ts'
import type { OrderPlacing } from './place-orders.ts'
import type { PlaceRequest } from './place-request.ts'
import { withdrawOrder } from '../withdraw-order.ts'

let db: TestDatabase
let context: Context
let placing: OrderPlacing
let names = 0
beforeAll(async () => {
  db = await createTestDatabase({ connectionsMax: 20 })
  context = await createTestContext(db.database)
  placing = testPlacing(context)
  await stockShop(context, { A: 1_000, ONE: 1, TEN: 10, CHK: 3, OLD: 3, TWIN: 1, LAST: 1 })
})
afterAll(() => db.drop())

const line = (sku: string, qty = 1) => ({ sku, qty })
const keyed = (key: string, body = 'x') => ({ scope: 'public', key, requestSha256: sha256(body) })
const fresh = () => `name-${(names += 1)}`
const reserved = async (sku: string) =>
  (await listStock(db.database, 'main', { sku, limit: 1 }))[0]?.reserved
const rows = async (text: string, values: unknown[]) =>
  (await db.database.pool.query(text, values)).rows

describe('placing an order', () => {
  test('reserves, reviews and answers with the verdict', async () => {
    const outcome = await placing.place(aRequest(anOrder({ lines: [line('A', 2), line('A', 3)] })))
    expect(outcome).toMatchObject({
      kind: 'placed',
      order: { verdict: 'clear', totalMinor: 2_500, reasons: [] },
    })
  })

  test('records a clear only with a certificate that verifies over what was written', async () => {
    const outcome = await placing.place(aRequest())
    if (outcome.kind === 'refused') throw new Error(outcome.refusal.code)
    const [row] = await rows(
      `select d.*, (extract(epoch from effective_at) * 1000)::int8 as ms from orders.decision d where order_id = $1`,
      [outcome.order.id],
    )
    const facts = {
      merchant: 'main',
      orderId: outcome.order.id,
      orderDigest: row.order_digest,
      verdict: 'clear',
      decisionId: row.id,
      decisionNumber: 1,
      effectiveAtMs: row.ms,
      orderNumber: outcome.order.orderNumber,
      revision: 1,
      allocations: [{ line: 1, locationId: 'loc-shipco', qty: 1 }],
      shipByMs: outcome.order.shipByMs,
      identity: 'none',
      unitPrices: [{ line: 1, unitPriceMinor: 500 }],
    } as const
    expect(verifyApproval(testReviewKeys, row.key_id, facts, row.approval)).toBe(true)
    expect(
      verifyApproval(testReviewKeys, row.key_id, { ...facts, orderId: 'ord_other' }, row.approval),
    ).toBe(false)
  })

  test('holds with every reason that applies', async () => {
    const outcome = await placing.place(
      aRequest(anOrder({ country: null, customer: null, lines: [line('A', 200)] })),
    )
    expect(outcome).toMatchObject({
      order: { verdict: 'hold', reasons: ['value', 'quantity', 'guest', 'country'] },
    })
  })

  test('a hold from outside holds, and no automatic approval means no automatic clear', async () => {
    expect(await placing.place(aRequest(anOrder(), { submittedHold: true }))).toMatchObject({
      order: { verdict: 'hold', reasons: ['submitted_hold'] },
    })
    const off = testPlacing(context, testFlags({ order_auto_approval_enabled: false }))
    expect(await off.place(aRequest())).toMatchObject({
      order: { verdict: 'hold', reasons: ['auto_approval_disabled'] },
    })
  })

  test('the public form cannot set a price, a customer or a reference', async () => {
    const input = anOrder({ order_id: fresh(), lines: [{ sku: 'A', qty: 1, unit_price_minor: 1 }] })
    expect(await placing.place(aRequest(input, { isTrusted: false }))).toMatchObject({
      order: { totalMinor: 500, reference: null },
    })
  })

  test('a refused order leaves nothing: no name, no stock, no row', async () => {
    const reference = fresh()
    const idempotency = keyed(fresh())
    const wish = aRequest(anOrder({ order_id: reference, lines: [line('ONE', 2)] }), {
      idempotency,
    })
    const good = aRequest(anOrder({ order_id: fresh() }))
    const [bad, placed] = await Promise.all([placing.place(wish), placing.place(good)])
    expect(bad).toMatchObject({
      refusal: {
        code: 'insufficient_stock',
        field: 'lines[0].qty',
        meta: { lines: [{ sku: 'ONE', available: 1 }] },
      },
    })
    expect(placed.kind).toBe('placed')
    expect(await reserved('ONE')).toBe(0)
    const small = aRequest(anOrder({ order_id: reference }), { idempotency })
    expect((await placing.place(small)).kind).toBe('placed')
  })

  test('an unknown SKU and a foreign currency are named', async () => {
    expect(
      await placing.place(aRequest(anOrder({ lines: [line('A'), line('NOPE')] }))),
    ).toMatchObject({
      refusal: { code: 'product_unknown', field: 'lines[1].sku' },
    })
    expect(await placing.place(aRequest(anOrder({ currency: 'USD' })))).toMatchObject({
      refusal: { code: 'body_invalid', field: 'currency' },
    })
  })
})

test('text that the database or canonical JSON cannot hold is refused field by field', () => {
  for (const name of ['a\u0000b', 'lone \ud800', 'bell \u0007', 'two\nlines']) {
    const parsed = orderInput.safeParse({ ...anOrder(), ship_to: { name } })
    expect(parsed.error?.issues[0]?.path).toEqual(['ship_to', 'name'])
  }
  expect(orderInput.safeParse({ ...anOrder(), ship_to: { name: 'Zoë 😀 O’Neil' } }).success).toBe(
    true,
  )
})

test('no verb of an order waits for a second connection with one in hand', async () => {
  const narrow = openDatabase(db.runtimeUrl, { connectionsMax: 1 })
  onTestFinished(() => closeDatabase(narrow))
  let flagSetVersion = 100
  // As after each change of a flag: the row is not there yet.
  const provenance = async () => {
    const now = { flagSetVersion: (flagSetVersion += 1), build: 'b', schemaVersion: 1, node: 'n' }
    return { id: await recordProvenance(narrow, 'main', now), flagSetVersion }
  }
  const { deps, place } = testPlacing({ ...context, database: narrow, provenance })
  const placed = await place(aRequest())
  if (placed.kind === 'refused') throw new Error(placed.refusal.code)
  const opened = orThrow(await openCheckout(deps, anOrder()))
  expect(await completeCheckout(deps, opened.id)).toMatchObject({ ok: true })
  const wish = { orderId: placed.order.id, kind: 'amend', actor: 'test', reason: 'moved' } as const
  const withdrawn = () => Promise.resolve({ kind: 'withdrawn', freedLocations: [] } as const)
  const shipTo = { name: 'Ann Buyer', street: 'Side St 2', city: 'Leeds', country: 'GB' }
  expect(await withdrawOrder(deps, withdrawn, { ...wish, shipTo })).toMatchObject({ ok: true })
})

test('a decision names the version of the flags that decided it, though they change meanwhile', async () => {
  let version = 41
  const flags = { ...testFlags(), isOn: () => version === 41, version: () => version }
  const provenance = async () => {
    const now = { flagSetVersion: version, build: 'b', schemaVersion: 1, node: 'n' }
    // Somebody switches automatic approval off while this one waits for its row.
    version = 42
    const id = await recordProvenance(db.database, 'main', now)
    return { id, flagSetVersion: now.flagSetVersion }
  }
  const placed = await testPlacing({ ...context, provenance }, flags).place(aRequest())
  if (placed.kind === 'refused') throw new Error(placed.refusal.code)
  const decided = await rows(
    'select verdict, flag_set_version from orders.decision where order_id = $1',
    [placed.order.id],
  )
  expect(decided).toMatchObject([{ verdict: 'clear', flag_set_version: 41 }])
})

describe('the same order again', () => {
  test('five identical requests in flight over four lanes are one order and five equal answers', async () => {
    const wish = aRequest(anOrder({ lines: [line('TWIN')] }), { idempotency: keyed(fresh()) })
    const lanes = Array.from({ length: 4 }, () => testPlacing(context))
    const answers = await Promise.all([...lanes, placing].map((lane) => lane.place(wish)))
    expect(answers.filter((one) => one.kind === 'placed')).toHaveLength(1)
    expect(answers.filter((one) => one.kind === 'replayed')).toHaveLength(4)
    expect(
      new Set(answers.map((one) => JSON.stringify(one.kind === 'refused' ? one : one.order))).size,
    ).toBe(1)
    expect(await reserved('TWIN')).toBe(1)
  })

  test('a batch that begins while another commits waits for its names and its units', async () => {
    const wish = aRequest(anOrder({ lines: [line('LAST')] }), { idempotency: keyed(fresh()) })
    const rival = aRequest(anOrder({ lines: [line('LAST')] }), { idempotency: keyed(fresh()) })
    let behind: ReturnType<typeof placeOrders> | undefined
    const first = await placeOrders(placing.deps, [wish], {
      onCommitSent: () => {
        behind ??= placeOrders(placing.deps, [wish, rival])
      },
    })
    const second = (await behind) ?? []
    expect(first.map((one) => one.kind)).toEqual(['placed'])
    expect(second).toMatchObject([
      { kind: 'replayed', order: first[0]?.kind === 'placed' ? first[0].order : undefined },
      { kind: 'refused', refusal: { code: 'insufficient_stock' } },
    ])
    expect(await reserved('LAST')).toBe(1)
  })

  test('a key with another body is refused, also inside one batch', async () => {
    const key = fresh()
    const wish = (body: string): PlaceRequest =>
      aRequest(anOrder(), { idempotency: keyed(key, body) })
    const answers = await placeOrders(placing.deps, [wish('one'), wish('two'), wish('one')])
    expect(answers.map((one) => (one.kind === 'refused' ? one.refusal.code : one.kind))).toEqual([
      'placed',
      'idempotency_key_reused',
      'replayed',
    ])
  })

  test('a reference is one order for ever: same content replays, other content conflicts', async () => {
    const reference = fresh()
    const wish = (qty: number, key?: string): PlaceRequest =>
      aRequest(
        anOrder({ order_id: reference, lines: [line('A', qty)] }),
        key ? { idempotency: keyed(key) } : {},
      )
    const first = await placing.place(wish(1))
    expect(first.kind).toBe('placed')
    expect(await placing.place(wish(1))).toEqual({ ...first, kind: 'replayed' })
    expect(await placing.place(wish(2))).toMatchObject({
      refusal: { code: 'order_reference_conflict', field: 'order_id' },
    })
    const key = fresh()
    expect(await placing.place(wish(1, key))).toEqual({ ...first, kind: 'replayed' })
    expect(await placing.place(wish(1, key))).toEqual({ ...first, kind: 'replayed' })
  })

  test('forty lanes selling ten units sell exactly ten, each key once', async () => {
    const lanes = Array.from({ length: 4 }, () => testPlacing(context))
    const wishes = Array.from({ length: 40 }, () =>
      aRequest(anOrder({ lines: [line('TEN')] }), { idempotency: keyed(fresh()) }),
    )
    const answers = await Promise.all(
      [...wishes, ...wishes].map((wish, n) =>
        (lanes[(n + Math.floor(n / 40)) % 4] ?? placing).place(wish),
      ),
    )
    const sold = new Set(answers.flatMap((one) => (one.kind !== 'refused' ? [one.order.id] : [])))
    expect(sold.size).toBe(10)
    expect(await reserved('TEN')).toBe(10)
  })
})

describe('a checkout', () => {
  test('holds its stock and becomes one order, however often it is completed', async () => {
    const opened = await openCheckout(placing.deps, anOrder({ lines: [line('CHK', 3)] }))
    if (!opened.ok) throw new Error(opened.refusal.code)
    expect(await placing.place(aRequest(anOrder({ lines: [line('CHK')] })))).toMatchObject({
      refusal: { code: 'insufficient_stock' },
    })
    const done = await Promise.all(
      [1, 2, 3].map(() => completeCheckout(placing.deps, opened.value.id)),
    )
    expect(new Set(done.map((one) => one.ok && one.value.orderId)).size).toBe(1)
    expect(await reserved('CHK')).toBe(3)
  })

  test('lets go of its stock when its time is over', async () => {
    const opened = await openCheckout(placing.deps, anOrder({ lines: [line('OLD', 3)] }), 0)
    if (!opened.ok) throw new Error(opened.refusal.code)
    expect(await expireOldCheckouts(placing.deps)).toBe(1)
    expect(await reserved('OLD')).toBe(0)
    expect(await completeCheckout(placing.deps, opened.value.id)).toMatchObject({
      refusal: { code: 'checkout_expired' },
    })
  })
})

import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestContext, createTestDatabase } from '../../tests/database.ts'
import type { TestDatabase } from '../../tests/database.ts'
import { stockShop, testPlacing } from '../../tests/shop.ts'
import { tempFile } from '../../tests/temp-file.ts'
import { orderCounts } from './order-queries.ts'
import { importOrders } from './import-orders.ts'
import type { OrderPlacing } from './place/place-orders.ts'

let db: TestDatabase
let placing: OrderPlacing
beforeAll(async () => {
  db = await createTestDatabase()
  const context = await createTestContext(db.database)
  await stockShop(context, { A: 100_000, RARE: 5 })
  placing = testPlacing(context)
})
afterAll(() => db.drop())

const order = (id: string, changes: object = {}) =>
  JSON.stringify({
    order_id: id,
    customer: 'c',
    country: 'GB',
    currency: 'GBP',
    lines: [{ sku: 'A', qty: 1, unit_price_minor: 500 }],
    ...changes,
  })
const orders = (name: string, count: number) =>
  Array.from({ length: count }, (_, index) => order(`${name}-${index}`))
const file = (lines: readonly string[]) => tempFile(lines.join('\n'))
const placedNow = async () => (await orderCounts(db.database, 'main')).placed

test('importing again places nothing and knows every order', async () => {
  const path = await file([...orders('again', 700), order('again-held', { country: 'FR' })])
  const before = await placedNow()
  const first = await importOrders(placing, path)
  expect(first).toMatchObject({ kind: 'done', placed: 701, known: 0, held: 1, cleared: 700 })
  const second = await importOrders(placing, path)
  expect(second).toMatchObject({ kind: 'done', placed: 0, known: 701, held: 0, cleared: 0 })
  expect(await placedNow()).toBe(before + 701)
})

test('one bad row refuses the file before anything is placed, also when it is the last', async () => {
  const before = await placedNow()
  const path = await file([...orders('bad', 600), '{"order_id":"bad-last"}'])
  const refused = await importOrders(placing, path)
  expect(refused).toMatchObject({ kind: 'refused', bad: 1, placed: 0 })
  expect(refused.refusals).toMatchObject([{ code: 'row_invalid', line: 601 }])
  expect(await placedNow()).toBe(before)
})

test('bad rows are passed over where that was asked for, and still told', async () => {
  const path = await file([order('skip-1'), 'not an order', order('skip-2')])
  const done = await importOrders(placing, path, { skipBad: true })
  expect(done).toMatchObject({ kind: 'done', bad: 1, placed: 2, refusals: [{ line: 2 }] })
})

test('a SKU that the catalog lacks is named with line and field before anything is placed', async () => {
  const before = await placedNow()
  const unknown = [
    { sku: 'A', qty: 1 },
    { sku: 'NO-SUCH', qty: 1 },
  ]
  const path = await file([order('sku-1'), order('sku-2', { lines: unknown })])
  const refused = await importOrders(placing, path)
  expect(refused).toMatchObject({
    kind: 'refused',
    refusals: [{ code: 'product_unknown', line: 2, field: 'lines[1].sku' }],
  })
  expect(await placedNow()).toBe(before)
  const skipped = await importOrders(placing, path, { skipBad: true })
  expect(skipped).toMatchObject({ kind: 'done', placed: 1, refused: 1, refusals: [{ line: 2 }] })
})

test('an order without stock is refused with its line and the others are placed', async () => {
  const rare = (units: number) => ({ lines: [{ sku: 'RARE', qty: units }] })
  const path = await file([
    order('rare-1', rare(4)),
    order('rare-2', rare(4)),
    order('rare-3', rare(1)),
  ])
  const done = await importOrders(placing, path)
  expect(done).toMatchObject({ kind: 'done', placed: 2, refused: 1 })
  expect(done.refusals).toMatchObject([{ code: 'insufficient_stock', line: 2 }])
})

test('other content under a reference that was placed is refused with its line', async () => {
  await importOrders(placing, await file([order('other-1')]))
  const done = await importOrders(
    placing,
    await file([order('other-2'), order('other-1', { customer: 'd' })]),
  )
  expect(done).toMatchObject({ placed: 1, refused: 1 })
  expect(done.refusals).toMatchObject([{ code: 'order_reference_conflict', line: 2 }])
})

test('an import that is stopped finishes what is in flight, says so, and goes on when run again', async () => {
  const path = await file(orders('stop', 2_000))
  const stop = new AbortController()
  const first = await importOrders(placing, path, {
    signal: stop.signal,
    onProgress: (done) => (done >= 100 ? stop.abort() : undefined),
  })
  expect(first.kind).toBe('stopped')
  expect(first.placed).toBeGreaterThanOrEqual(100)
  expect(first.placed).toBeLessThan(2_000)
  const second = await importOrders(placing, path)
  expect(second).toMatchObject({ kind: 'done', known: first.placed, placed: 2_000 - first.placed })
})

test('a file that cannot be read to its end is refused even where bad rows may be passed over', async () => {
  const before = await placedNow()
  const lines = [...Array<string>(150).fill('not an order'), ...orders('cut', 4_000)]
  const packed = gzipSync(lines.join('\n'))
  const cut = await tempFile(packed.subarray(0, packed.length - 20))
  for (const path of ['/nowhere/orders.ndjson', cut]) {
    const refused = await importOrders(placing, path, { skipBad: true })
    expect(refused.kind).toBe('refused')
    expect(refused.refusals[0]).toMatchObject({ code: 'file_unreadable' })
  }
  expect(await placedNow()).toBe(before)
})

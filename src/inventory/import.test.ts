import { afterEach, beforeEach, expect, test } from 'vitest'
import { createTestContext, createTestDatabase } from '../../tests/database.ts'
import type { TestDatabase } from '../../tests/database.ts'
import { tempFile } from '../../tests/temp-file.ts'
import { invariant } from '#kernel/index.ts'
import { read, withTransaction } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { inventoryChecks } from './checks.ts'
import { importCatalog, importStock, listStock } from './index.ts'
import { addLocation } from './location.ts'
import { splitEvenly } from './record-opening-stock.ts'

let db: TestDatabase
let context: Context
beforeEach(async () => {
  db = await createTestDatabase()
  context = await createTestContext(db.database)
})
afterEach(async () => {
  for (const { claim, find } of inventoryChecks) {
    const broken = await read(db.database, find, { merchant: 'main' })
    invariant(broken.length === 0, claim)
  }
  await db.drop()
})

const options = { actor: 'cli:test', withStock: true }
const CATALOG = 'sku,title,price_minor,units\nA,Globe,85,10\nB,Clock,39,0\nC,Mug,10,2\n'

async function locations(...ids: string[]): Promise<void> {
  await withTransaction(db.database, async (tx) => {
    for (const id of ids) await addLocation(tx, 'main', { id, name: id })
  })
}
const stock = async () =>
  (await listStock(db.database, 'main', { limit: 100 })).map((row) => [
    row.sku,
    row.location_id,
    row.on_hand,
  ])

test('opening units are split over the locations and the first takes the rest', async () => {
  await locations('x', 'y', 'z')
  const done = await importCatalog(context, await tempFile(CATALOG), options)
  expect(done).toMatchObject({
    ok: true,
    value: { products: { inserted: 3 }, stock: { recorded: 2 } },
  })
  expect(await stock()).toEqual([
    ['A', 'x', 4],
    ['A', 'y', 3],
    ['A', 'z', 3],
    ['C', 'x', 2],
  ])
  expect(splitEvenly(2, ['x', 'y', 'z'])).toEqual([{ locationId: 'x', units: 2 }])
})

test('importing again changes nothing, also after another location was added', async () => {
  await locations('x')
  const path = await tempFile(CATALOG)
  await importCatalog(context, path, options)
  const before = await stock()
  await locations('y')
  const again = await importCatalog(context, path, options)
  expect(again).toMatchObject({
    ok: true,
    value: {
      products: { inserted: 0, updated: 0, unchanged: 3 },
      stock: { recorded: 0, known: 2 },
    },
  })
  expect(await stock()).toEqual(before)
})

test('another opening number names the SKU and leaves prices as they were', async () => {
  await locations('x')
  await importCatalog(context, await tempFile(CATALOG), options)
  const changed = await tempFile(CATALOG.replace('Globe,85,10', 'Globe,99,11'))
  const refused = await importCatalog(context, changed, options)
  expect(refused).toMatchObject({
    ok: false,
    refusal: { code: 'adjustment_conflict', meta: { sku: 'A' } },
  })
  const prices = await importCatalog(context, changed, { ...options, withStock: false })
  expect(prices).toMatchObject({
    ok: true,
    value: { products: { updated: 1 }, stock: { recorded: 0 } },
  })
})

test('without a location the catalog is refused and no product is kept', async () => {
  const refused = await importCatalog(context, await tempFile(CATALOG), options)
  expect(refused).toMatchObject({
    ok: false,
    refusal: { code: 'location_unknown', detail: expect.stringMatching(/add a partner/) },
  })
  await locations('x')
  const done = await importCatalog(context, await tempFile(CATALOG), options)
  expect(done).toMatchObject({ ok: true, value: { products: { inserted: 3 } } })
})

test('one bad row refuses the catalog whole', async () => {
  await locations('x')
  const refused = await importCatalog(context, await tempFile(`${CATALOG}D,,1,1\n`), options)
  expect(refused).toMatchObject({
    ok: true,
    value: { kind: 'refused', bad: 1, refusals: [{ line: 5 }] },
  })
  expect(await stock()).toEqual([])
})

test('a stock file is recorded once, document by document', async () => {
  await locations('x', 'y')
  await importCatalog(context, await tempFile(CATALOG), options)
  const path = await tempFile('id,sku,location,quantity\nd1,A,x,7\nd1,B,y,1\nd2,B,x,3\n')
  const adjust = { kind: 'adjust', actor: 'cli:test' } as const
  const first = await importStock(context, path, adjust)
  expect(first).toMatchObject({ ok: true, value: { recorded: 2, known: 0 } })
  const before = await stock()
  const second = await importStock(context, path, adjust)
  expect(second).toMatchObject({ ok: true, value: { recorded: 0, known: 2 } })
  expect(await stock()).toEqual(before)
})

test.each([
  ['a location that nobody has', 'd2,A,nowhere,1', 'location_unknown', 'location'],
  ['a SKU that the catalog lacks', 'd2,NO-SUCH,x,1', 'sku_unknown', 'sku'],
  ['more than is free', 'd2,A,x,-999', 'stock_insufficient', 'quantity'],
  ['another content under an id', 'd0,A,x,2', 'adjustment_conflict', 'id'],
])(
  'a stock file with %s is refused by line and nothing of it is kept',
  async (_, row, code, field) => {
    await locations('x')
    await importCatalog(context, await tempFile(CATALOG), options)
    const adjust = { kind: 'adjust', actor: 'cli:test' } as const
    await importStock(context, await tempFile('id,sku,location,quantity\nd0,A,x,1\n'), adjust)
    const before = await stock()
    const path = await tempFile(`id,sku,location,quantity\nd1,B,x,5\n${row}\n`)
    expect(await importStock(context, path, adjust)).toMatchObject({
      ok: false,
      refusal: { code, field, line: 3 },
    })
    expect(await stock()).toEqual(before)
  },
)

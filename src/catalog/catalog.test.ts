import { afterAll, beforeAll, expect, test } from 'vitest'
import { accept } from '#kernel/index.ts'
import { SCOPES, transactionRetries, withTransaction } from '#platform/index.ts'
import type { Caller, Context } from '#platform/index.ts'
import { startHttpServer } from '#platform/http/index.ts'
import type { HttpServer } from '#platform/http/index.ts'
import { createTestContext, createTestDatabase } from '../../tests/database.ts'
import type { TestDatabase } from '../../tests/database.ts'
import { listProducts } from './list-products.ts'
import { productsForSkus } from './products-for-skus.ts'
import { catalogRoutes } from './catalog.http.ts'
import type { SkuAvailability } from './store.http.ts'
import { upsertProducts } from './upsert-products.ts'
import type { ProductRow } from './upsert-products.ts'

let db: TestDatabase
let context: Context
let server: HttpServer
let nowMs = 0
let stock: readonly SkuAvailability[] = []
let stockReads = 0
beforeAll(async () => {
  db = await createTestDatabase()
  const base = await createTestContext(db.database)
  context = { ...base, clock: { nowMs: () => nowMs, monotonicMs: () => nowMs } }
  const caller: Caller = { actor: 'person:ada', scopes: new Set(SCOPES) }
  const availability = async () => {
    stockReads += 1
    return stock
  }
  const onSale = async (sku: string) => {
    const product = await oneProduct('main', sku)
    const found = (await availability()).find((row) => row.sku === sku)
    return product && { product, available: found?.isSellable ? found.available : 0 }
  }
  const pageOnSale = async (page: { after: string; limit: number }) => {
    const products = await listProducts(context.database, 'main', page)
    await availability()
    return products.map((product) => ({ product, available: 0 }))
  }
  server = await startHttpServer({
    routes: catalogRoutes(context, { availability, onSale, pageOnSale }),
    host: '127.0.0.1',
    port: 0,
    log: context.log,
    authenticate: async () => accept(caller),
  })
})
afterAll(async () => {
  await server.close()
  await db.drop()
})

const oneProduct = async (merchant: string, sku: string) =>
  (await listProducts(context.database, merchant, { after: '', limit: 500 })).find(
    (product) => product.sku === sku,
  )
const mug: ProductRow = { sku: '85123A', title: 'WHITE MUG', priceMinor: 299, currency: 'GBP' }
const write = (merchant: string, ...rows: readonly ProductRow[]) =>
  withTransaction(context.database, (tx) => upsertProducts(tx, merchant, rows))
const post = (body: object) =>
  fetch(`${server.url}/admin/products`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
const found = async (merchant: string, q: string) =>
  (await listProducts(context.database, merchant, { q, after: '', limit: 100 })).map(
    (one) => one.sku,
  )

test('the same rows again change nothing, and a change is counted as one', async () => {
  const other = { ...mug, sku: 'B' }
  expect(await write('upsert', mug, other)).toEqual({ inserted: 2, updated: 0, unchanged: 0 })
  expect(await write('upsert', mug, other)).toEqual({ inserted: 0, updated: 0, unchanged: 2 })
  expect(await write('upsert', { ...mug, priceMinor: 1 }, other)).toEqual({
    inserted: 0,
    updated: 1,
    unchanged: 1,
  })
})

test('what a row leaves out stays as it is', async () => {
  await write('keep', { ...mug, isActive: false, group: 'mugs', options: { color: 'white' } })
  await write('keep', { ...mug, title: 'NEW' })
  expect(await oneProduct('keep', mug.sku)).toBeUndefined()
  await write('keep', { ...mug, isActive: true })
  expect(await oneProduct('keep', mug.sku)).toMatchObject({
    title: 'WHITE MUG',
    group: 'mugs',
    options: { color: 'white' },
  })
})

test('many writers of the same products lock them in one order, so none is run again', async () => {
  const rows = Array.from({ length: 500 }, (_, index) => ({ ...mug, sku: `S${index}` }))
  const writers = Array.from({ length: 6 }, (_, price) =>
    rows.map((row) => Object.assign({}, row, { priceMinor: price })),
  )
  await write('race', ...rows)
  const before = transactionRetries()
  await Promise.all(
    writers.map((all, index) => write('race', ...(index % 2 === 0 ? all : all.toReversed()))),
  )
  expect(transactionRetries()).toBe(before)
})

test('prices of unknown SKUs are left out, of inactive ones told as such', async () => {
  await write('price', { ...mug, isActive: false })
  const prices = await withTransaction(context.database, (tx) =>
    productsForSkus(tx, 'price', [mug.sku, 'nope']),
  )
  expect(prices).toEqual([{ sku: mug.sku, priceMinor: 299, currency: 'GBP', isActive: false }])
})

test('search finds the beginning of any word, and takes any text', async () => {
  await write(
    'search',
    mug,
    { ...mug, sku: 'AB-120', title: "Children's apron" },
    { ...mug, sku: 'demo.item/7', title: 'Café "Noir" set' },
  )
  expect(await found('search', 'whi')).toEqual(['85123A'])
  expect(await found('search', '8512')).toEqual(['85123A'])
  expect(await found('search', 'mug WHITE')).toEqual(['85123A'])
  expect(await found('search', 'AB-12')).toEqual(['AB-120'])
  // A part of a SKU, although PostgreSQL takes `-120` for a number with its sign.
  expect(await found('search', '120')).toEqual(['AB-120'])
  expect(await found('search', 'item')).toEqual(['demo.item/7'])
  expect(await found('search', "children's")).toEqual(['AB-120'])
  expect(await found('search', 'café')).toEqual(['demo.item/7'])
  expect(await found('search', 'mug apron')).toEqual([])
  for (const odd of ["'", '\\', "a'\\", ':*', '&|!()', 'a:* & b', '<->', 'x\\:y']) {
    await expect(found('search', odd)).resolves.toBeInstanceOf(Array)
  }
})

test('a word of more than 500 products is found in the order of the SKUs, page by page', async () => {
  const skus = Array.from({ length: 520 }, (_, index) => `C${String(index).padStart(3, '0')}`)
  await write('common', ...skus.toReversed().map((sku) => Object.assign({}, mug, { sku })))
  const page = async (after: string) =>
    (await listProducts(context.database, 'common', { q: 'white', after, limit: 3 })).map(
      (product) => product.sku,
    )
  // Behind C018 there are 501 left, behind C019 500: the two ways of finding them meet there.
  expect(await page('')).toEqual(['C000', 'C001', 'C002'])
  expect(await page('C018')).toEqual(['C019', 'C020', 'C021'])
  expect(await page('C019')).toEqual(['C020', 'C021', 'C022'])
  expect(await page('C518')).toEqual(['C519'])
})

test('the pages of a list meet without gap or repetition', async () => {
  const skus = Array.from({ length: 7 }, (_, index) => `P${index}`)
  await write('main', ...skus.map((sku) => ({ ...mug, sku, title: 'PAGED' })))
  const seen: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const query = cursor === '' ? '' : `&cursor=${cursor}`
    const page: { items: { sku: string }[]; next_cursor: string | null } = JSON.parse(
      await (await fetch(`${server.url}/store/products?q=paged&limit=3${query}`)).text(),
    )
    seen.push(...page.items.map((item) => item.sku))
    cursor = page.next_cursor
  }
  expect(seen).toEqual(skus)
})

test('a product is shown with its stock, and with none while it is withdrawn from sale', async () => {
  await write('main', { ...mug, sku: 'SHOWN' })
  const url = `${server.url}/store/products/SHOWN`
  stock = [{ sku: 'SHOWN', available: 5, isSellable: true }]
  expect(await (await fetch(url)).json()).toEqual({
    sku: 'SHOWN',
    title: 'WHITE MUG',
    price: { amount: 299, currency: 'GBP' },
    available: 5,
    group: null,
    options: {},
  })
  stock = [{ sku: 'SHOWN', available: 5, isSellable: false }]
  nowMs += 1_000
  expect(await (await fetch(url)).json()).toMatchObject({ available: 0 })
  expect((await fetch(`${server.url}/store/products/NOPE`)).status).toBe(404)
})

test.each([
  ['product', '/store/products/CACHED'],
  ['list', '/store/products?cursor=CACHEC&limit=1'],
])('a %s is at most a second old, and many readers cost one read', async (_, path) => {
  await write('main', { ...mug, sku: 'CACHED' })
  const url = `${server.url}${path}`
  stockReads = 0
  const replies = await Promise.all(Array.from({ length: 20 }, () => fetch(url)))
  expect(stockReads).toBe(1)
  const etag = replies[0]?.headers.get('etag') ?? ''
  expect((await fetch(url, { headers: { 'if-none-match': etag } })).status).toBe(304)
  await write('main', { ...mug, sku: 'CACHED', priceMinor: 1 })
  const dear = await (await fetch(url)).text()
  expect(dear).toContain('"amount":299')
  // Who shows a credential goes the long way, to the same answer and no newer age.
  expect(await (await fetch(url, { headers: { authorization: 'Bearer x' } })).text()).toBe(dear)
  nowMs += 1_000
  const next = await fetch(url, { headers: { 'if-none-match': etag } })
  expect(await next.text()).toContain('"amount":1,')
  expect(stockReads).toBe(2)
})

test('products are written over HTTP, audited, and a SKU twice is refused', async () => {
  const product = { sku: 'WEB', title: 'Web', price: { amount: 5, currency: 'GBP' } }
  expect(await (await post({ products: [product] })).json()).toEqual({
    inserted: 1,
    updated: 0,
    unchanged: 0,
  })
  expect(await (await post({ products: [product, product] })).json()).toMatchObject({
    code: 'body_invalid',
    field: 'products[1].sku',
  })
  const { rows } = await context.database.pool.query(
    `select actor, action, after from platform.audit where action = 'catalog.products_written'`,
  )
  expect(rows).toEqual([
    {
      actor: 'person:ada',
      action: 'catalog.products_written',
      after: { inserted: 1, updated: 0, unchanged: 0 },
    },
  ])
})

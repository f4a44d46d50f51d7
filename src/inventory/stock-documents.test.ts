import { afterAll, beforeAll, expect, test } from 'vitest'
import { accept } from '#kernel/index.ts'
import { SCOPES } from '#platform/index.ts'
import type { Caller, Context } from '#platform/index.ts'
import { startHttpServer } from '#platform/http/index.ts'
import type { HttpServer } from '#platform/http/index.ts'
import { createTestContext, createTestDatabase } from '../../tests/database.ts'
import type { TestDatabase } from '../../tests/database.ts'
import { stockShop } from '../../tests/shop.ts'
import { tempFile } from '../../tests/temp-file.ts'
import { importStock } from './import-stock.ts'
import type { StockImport } from './import-stock.ts'
import { inventoryRoutes } from './inventory.http.ts'

let db: TestDatabase
let context: Context
let server: HttpServer
const caller: Caller = { actor: 'person:ada', scopes: new Set(SCOPES) }
beforeAll(async () => {
  db = await createTestDatabase()
  context = await createTestContext(db.database)
  await stockShop(context, { A: 5, B: 5 })
  server = await startHttpServer({
    routes: inventoryRoutes(context),
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

type Line = { readonly sku: string; readonly location: string; readonly quantity: number }
type Kind = 'receive' | 'adjust' | 'count'
let documents = 0
const post = async (kind: Kind, lines: readonly Line[]) => {
  const reply = await fetch(`${server.url}/admin/adjustments`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ id: `doc-${(documents += 1)}`, kind, lines }),
  })
  const body: unknown = await reply.json()
  return { status: reply.status, body }
}
const book = async () =>
  (await db.database.pool.query('select * from inventory.stock order by sku, location_id')).rows
const movements = async () =>
  (await db.database.pool.query('select count(*)::int as n from inventory.movement')).rows
const here = { sku: 'A', location: 'loc-shipco' }

const REFUSED: readonly (readonly [Kind, Line, number, string, string])[] = [
  ['count', { ...here, quantity: -7 }, 422, 'body_invalid', 'quantity'],
  ['receive', { ...here, quantity: -999 }, 422, 'body_invalid', 'quantity'],
  ['receive', { ...here, quantity: 0 }, 422, 'body_invalid', 'quantity'],
  ['adjust', { ...here, quantity: 0 }, 422, 'body_invalid', 'quantity'],
  ['adjust', { ...here, quantity: -6 }, 409, 'stock_insufficient', 'quantity'],
  ['count', { ...here, sku: 'NOPE', quantity: 1 }, 404, 'sku_unknown', 'sku'],
  ['count', { ...here, location: 'nowhere', quantity: 1 }, 404, 'location_unknown', 'location'],
]

const firstOf = (done: StockImport) => (done.kind === 'refused' ? done.refusals[0] : undefined)

test.each(REFUSED)(
  '%s of %o is refused by name over HTTP and by file, and moves nothing',
  async (kind, line, status, code, column) => {
    const before = [await book(), await movements()]
    const good = { sku: 'B', location: 'loc-shipco', quantity: 1 }
    expect(await post(kind, [good, line])).toMatchObject({
      status,
      body: { code, field: `lines[1].${column}` },
    })
    const rows = [good, line].map((one) => `f-1,${one.sku},${one.location},${one.quantity}`)
    const path = await tempFile(['id,sku,location,quantity', ...rows].join('\n'), 'stock.csv')
    const imported = await importStock(context, path, { kind, actor: 'test' })
    const refusal = imported.ok ? firstOf(imported.value) : imported.refusal
    // What a row alone shows is refused when the file is read, with all bad rows; the rest by the verb.
    expect(refusal).toMatchObject({
      code: code === 'body_invalid' ? 'row_invalid' : code,
      line: 3,
      field: column,
    })
    expect([await book(), await movements()]).toEqual(before)
  },
)

test('a place that stands twice in one document is refused over both', async () => {
  const twice = [
    { ...here, quantity: 1 },
    { ...here, quantity: 2 },
  ]
  expect(await post('count', twice)).toMatchObject({
    status: 422,
    body: { code: 'body_invalid', field: 'lines[1].sku' },
  })
})

test('the table itself refuses a receipt that takes and an adjustment of nothing', async () => {
  const insert = (kind: string, delta: number) =>
    db.database.pool.query(
      `insert into inventory.movement (merchant_id, subject_id, line_no, location_id, kind, source_id, sku,
         on_hand_delta, reserved_delta) values ('main', 'x', 1, 'loc-shipco', $1, $1, 'A', $2, 0)`,
      [kind, delta],
    )
  await expect(insert('receive', -999)).rejects.toThrow('movement_does_what_it_says')
  await expect(insert('adjust', 0)).rejects.toThrow('movement_does_what_it_says')
})

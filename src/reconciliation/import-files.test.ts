import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { orThrow, seededRandom } from '#kernel/index.ts'
import { read, withTransaction } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import {
  addLocation,
  importCatalog,
  inventoryChecks,
  issueShipment,
  openAllocations,
} from '#inventory/index.ts'
import { importOrders, orderChecks } from '#orders/index.ts'
import { createTestContext, createTestDatabase } from '../../tests/database.ts'
import type { TestDatabase } from '../../tests/database.ts'
import { testPlacing } from '../../tests/shop.ts'
import { tempFile } from '../../tests/temp-file.ts'
import { reconciliationChecks } from './checks.ts'
import { importAdjustments } from './import-adjustments.ts'
import { importReturns } from './returns/import-returns.ts'

// The real files where TEST_DATA_DIR names them (UCI Online Retail, CC BY 4.0), else a small shop.
type Line = { sku: string; qty: number; unit_price_minor: number }
type OrderRow = { order_id: string; lines: Line[] }
type ReturnRow = {
  return_id: string
  lines: (Line & { order_id: string | null })[]
  charges?: { qty: number; unit_price_minor: number }[]
}
type AdjustmentRow = { adjustment_id: string; sku: string; delta: number }
type Files = { catalog: string; orders: string; returns: string; adjustments: string }

const folder = process.env['TEST_DATA_DIR']
const TIMEOUT_MS = 600_000

let test_: TestDatabase
let context: Context
let files: Files
let made: string
beforeAll(async () => {
  test_ = await createTestDatabase({ connectionsMax: 10 })
  context = await createTestContext(test_.database)
  await withTransaction(test_.database, async (tx) => {
    for (const id of ['loc-a', 'loc-b', 'loc-c']) await addLocation(tx, 'main', { id, name: id })
  })
  made = await mkdtemp(join(tmpdir(), 'holdfast-files-'))
  files = folder === undefined ? await generatedFiles() : realFiles(folder)
  const stock = { actor: 'test', withStock: true }
  orThrow(await importCatalog(context, files.catalog, stock))
  await importOrders(testPlacing(context), files.orders)
  await shipEverything()
}, TIMEOUT_MS)
afterAll(async () => {
  await test_.drop()
  await rm(made, { recursive: true, force: true })
})

const rows = async (text: string) =>
  (await test_.database.pool.query<Record<string, unknown>>(text)).rows
// The files are the test's own or the published ones, whose shape is documented.
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters
const parsed = <T>(path: string): readonly T[] => {
  const bytes = readFileSync(path)
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as T]))
}

/** Every placed order leaves from where it is reserved, as a partner would have shipped it. */
async function shipEverything(): Promise<void> {
  const placed = await rows(`select id from orders."order" where state = 'placed' order by id`)
  const ids = placed.map((row) => String(row['id']))
  for (let start = 0; start < ids.length; start += 200) {
    await withTransaction(test_.database, async (tx) => {
      const open = await openAllocations(tx, 'main', ids.slice(start, start + 200))
      const shipments = [...open].flatMap(([orderId, allocations]) =>
        [...Map.groupBy(allocations, (one) => one.locationId)].map(([locationId, lines]) => ({
          shipmentId: `shp_${orderId}_${locationId}`,
          orderId,
          locationId,
          lines: lines.map(({ lineNo, sku, qty }) => ({ lineNo, sku, qty })),
        })),
      )
      await issueShipment(tx, 'main', shipments)
    })
  }
}

/** What the files alone say must come of them, computed without a line of the product. */
async function expected() {
  const placed = new Set(
    (await rows(`select reference from orders."order"`)).map((row) => String(row['reference'])),
  )
  const book = new Map<string, number>()
  const move = (sku: string, units: number) => book.set(sku, (book.get(sku) ?? 0) + units)
  for (const [sku, units] of openingUnits(files.catalog)) move(sku, units)
  const out = new Map<string, number>()
  for (const order of parsed<OrderRow>(files.orders)) {
    if (!placed.has(order.order_id)) continue
    for (const line of order.lines) {
      move(line.sku, -line.qty)
      const name = `${order.order_id} ${line.sku}`
      out.set(name, (out.get(name) ?? 0) + line.qty)
    }
  }
  const money = { refunded: 0, unmatched: 0, charges: 0 }
  let acceptedUnits = 0
  let unmatchedLines = 0
  for (const one of parsed<ReturnRow>(files.returns)) {
    for (const charge of one.charges ?? []) money.charges += charge.qty * charge.unit_price_minor
    for (const line of one.lines) {
      const name = `${line.order_id} ${line.sku}`
      const left = out.get(name) ?? 0
      if (left >= line.qty) {
        out.set(name, left - line.qty)
        move(line.sku, line.qty)
        acceptedUnits += line.qty
        money.refunded += line.qty * line.unit_price_minor
      } else {
        unmatchedLines += 1
        money.unmatched += line.qty * line.unit_price_minor
      }
    }
  }
  const known = new Set(openingUnits(files.catalog).keys())
  const refused = { sku_unknown: 0, stock_insufficient: 0 }
  let adjusted = 0
  let waiting = parsed<AdjustmentRow>(files.adjustments).filter(({ sku }) => {
    if (!known.has(sku)) refused.sku_unknown += 1
    return known.has(sku)
  })
  for (let before = -1; before !== waiting.length;) {
    before = waiting.length
    waiting = waiting.filter(({ sku, delta }) => {
      if (delta < 0 && Math.max(0, book.get(sku) ?? 0) < -delta) return true
      move(sku, delta)
      adjusted += delta
      return false
    })
  }
  refused.stock_insufficient = waiting.length
  return { book, money, acceptedUnits, unmatchedLines, refused, adjusted }
}

function openingUnits(path: string): ReadonlyMap<string, number> {
  const [header = '', ...lines] = readFileSync(path, 'utf8').trim().split('\n')
  const names = header.trim().split(',')
  // Titles may hold commas within quotes, so that columns behind them are counted from the end.
  const at = (fields: readonly string[], name: string): number =>
    Number(fields.at(names.indexOf(name) - names.length))
  return new Map(
    lines.map((line) => {
      const fields = line.trim().split(',')
      return [fields[0] ?? '', Math.max(at(fields, 'units'), at(fields, 'units_needed'))]
    }),
  )
}

test(
  'returns and adjustments leave stock, money and ledger in agreement to the penny',
  async () => {
    const want = await expected()
    const stop = new AbortController()
    const first = await importReturns(context, files.returns, {
      actor: 'test',
      signal: stop.signal,
      onProgress: () => stop.abort(),
    })
    const second = await importReturns(context, files.returns, { actor: 'test' })
    const third = await importReturns(context, files.returns, { actor: 'test' })
    expect([first.kind, second.kind, third.kind]).toEqual(['stopped', 'done', 'done'])
    expect(third).toMatchObject({ recorded: 0, acceptedLines: 0 })
    expect(first.recorded + second.recorded).toBe(parsed(files.returns).length)
    expect(third.totals).toMatchObject([
      {
        currency: 'GBP',
        refunded_minor: want.money.refunded,
        unmatched_minor: want.money.unmatched,
        charges_minor: want.money.charges,
        accepted_units: want.acceptedUnits,
        restocked_units: want.acceptedUnits,
        unmatched_lines: want.unmatchedLines,
      },
    ])
    const done = await importAdjustments(context, files.adjustments, { actor: 'test' })
    const again = await importAdjustments(context, files.adjustments, { actor: 'test' })
    expect(done.unitsAdded - done.unitsTaken).toBe(want.adjusted)
    expect({ sku_unknown: 0, stock_insufficient: 0, ...done.refused }).toEqual(want.refused)
    expect(again).toMatchObject({ recorded: 0, known: done.recorded })
    const stock = await rows(
      'select sku, sum(on_hand)::int as units from inventory.stock group by sku',
    )
    const book = new Map(stock.map((row) => [String(row['sku']), Number(row['units'])]))
    const wrong = [...want.book].filter(([sku, units]) => (book.get(sku) ?? 0) !== units)
    expect(wrong).toEqual([])
    const [{ negative } = { negative: 0 }] = await rows(
      'select count(*)::int as negative from inventory.stock where on_hand < 0',
    )
    expect(negative).toBe([...want.book.values()].filter((units) => units < 0).length)
    for (const { claim, find } of [...inventoryChecks, ...orderChecks, ...reconciliationChecks]) {
      expect([claim, await read(test_.database, find, { merchant: 'main' })]).toEqual([claim, []])
    }
  },
  TIMEOUT_MS,
)

test('what no shipped goods explain is one open case with the money in question', async () => {
  const want = await expected()
  const open = await rows(
    `select subject_id, money_minor::int, state from cases."case" where kind = 'return'`,
  )
  expect(open).toEqual([
    { subject_id: 'unmatched GBP', money_minor: expect.any(Number), state: 'open' },
  ])
  expect(Number(open[0]?.['money_minor'])).toBe(want.money.unmatched)
})

test('a bad line is named and nothing of its file is applied', async () => {
  const good = {
    return_id: 'good-1',
    returned_at: '2011-01-01T00:00:00Z',
    currency: 'GBP',
    lines: [],
    charges: [{ code: 'M', qty: 1, unit_price_minor: 5 }],
  }
  const bad = {
    ...good,
    return_id: 'bad-1',
    lines: [{ sku: 'A', qty: 0, unit_price_minor: 1, order_id: null }],
  }
  const path = await tempFile([good, bad].map((row) => JSON.stringify(row)).join('\n'))
  const refused = await importReturns(context, path, { actor: 'test' })
  expect(refused).toMatchObject({
    kind: 'refused',
    bad: 1,
    recorded: 0,
    refusals: [{ code: 'row_invalid', line: 2, field: 'lines[0].qty' }],
  })
  expect(await rows(`select id from reconciliation."return" where id = 'good-1'`)).toEqual([])
  const row = { adjustment_id: 'x1', at: '2011-01-01T00:00:00Z', sku: 'S1', delta: 1, note: null }
  const twice = await tempFile(
    [row, { ...row, delta: 2 }].map((one) => JSON.stringify(one)).join('\n'),
  )
  expect(await importAdjustments(context, twice, { actor: 'test' })).toMatchObject({
    kind: 'refused',
    refusals: [{ code: 'row_invalid', line: 2 }],
  })
})

function realFiles(from: string): Files {
  return {
    catalog: join(from, 'catalogue.csv'),
    orders: join(from, 'orders.ndjson.gz'),
    returns: join(from, 'returns.ndjson.gz'),
    adjustments: join(from, 'stock_adjustments.ndjson.gz'),
  }
}

async function generatedFiles(): Promise<Files> {
  const random = seededRandom(13)
  const pick = (max: number) => Math.floor(random() * max)
  const skus = Array.from({ length: 12 }, (_, index) => `S${index + 1}`)
  const at = '2011-01-01T10:00:00Z'
  const line = (): Line => ({
    sku: skus[pick(12)] ?? 'S1',
    qty: 1 + pick(6),
    unit_price_minor: 95 + pick(3) * 10,
  })
  const orders = Array.from({ length: 150 }, (_, index) => ({
    order_id: `O${index}`,
    placed_at: at,
    customer: 'c1',
    country: 'GB',
    currency: 'GBP',
    lines: Array.from({ length: 1 + pick(5) }, line),
  }))
  const returns = Array.from({ length: 420 }, (_, index) => {
    const order = orders[pick(160)]
    const sold = order?.lines[0] ?? line()
    const qty = 1 + pick(sold.qty + 1)
    const order_id = pick(8) === 0 ? null : (order?.order_id ?? 'O999')
    return {
      return_id: `C${index}`,
      returned_at: at,
      customer: null,
      currency: 'GBP',
      lines: pick(9) === 0 ? [] : [{ ...sold, qty, order_id }],
      charges: [{ code: 'POST', qty: 1, unit_price_minor: pick(500) - 100 }],
    }
  })
  const adjustments = Array.from({ length: 90 }, (_, index) => ({
    adjustment_id: `J${index}`,
    at,
    sku: pick(10) === 0 ? 'UNKNOWN' : (skus[pick(12)] ?? 'S1'),
    delta: (pick(2) === 0 ? 1 : -1) * (1 + pick(40)),
    note: index % 3 === 0 ? 'damaged' : null,
  }))
  const write = async (name: string, texts: readonly string[]) => {
    await writeFile(join(made, name), texts.join('\n'))
    return join(made, name)
  }
  const ndjson = (name: string, all: readonly object[]) =>
    write(
      name,
      all.map((one) => JSON.stringify(one)),
    )
  const catalog = skus.map((sku, index) => `${sku},Title ${sku},100,0,${10 + index * 14}`)
  return {
    catalog: await write('catalog', ['sku,title,price_minor,units,units_needed', ...catalog]),
    orders: await ndjson('orders', orders),
    returns: await ndjson('returns', returns),
    adjustments: await ndjson('adjustments', adjustments),
  }
}

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import {
  analyzeGrownTable,
  change,
  many,
  read,
  transact,
  withTransaction,
} from '#platform/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { upsertProducts } from '#catalog/index.ts'
import { createTestDatabase } from '../../tests/database.ts'
import type { TestDatabase } from '../../tests/database.ts'
import { availability, listStock, negativeStockSkus } from './availability.ts'
import { inventoryChecks } from './checks.ts'
import { issueShipment } from './issue-stock.ts'
import { addLocation } from './location.ts'
import { pageOnSale, productOnSale } from './product-on-sale.ts'
import { recordStock } from './record-stock.ts'
import type { StockDocument } from './record-stock.ts'
import { releaseStock } from './release-stock.ts'
import { reserveStock } from './reserve-stock.ts'
import { ensureStockRows, quarantineSkus, takeStock } from './stock-statements.ts'

let db: TestDatabase
beforeAll(async () => {
  db = await createTestDatabase({ connectionsMax: 20 })
  await withTransaction(db.database, (tx) => addLocation(tx, 'main', { id: 'loc-a', name: 'A' }))
})
afterAll(() => db.drop())

const record = (
  document: StockDocument,
): Promise<Outcome<{ wasNew: boolean; negativeSkus: readonly string[] }>> =>
  transact(db.database, async (tx) => {
    const skus = document.lines.map(({ sku }) => sku)
    await upsertProducts(
      tx,
      'main',
      skus.map((sku) => ({ sku, title: sku, priceMinor: 1, currency: 'GBP' })),
    )
    return recordStock(tx, 'main', document, 'test')
  })
const receive = (sku: string, quantity: number, id = `rcv-${sku}`) =>
  record({ id, kind: 'receive', lines: [{ sku, locationId: 'loc-a', quantity }] })
const buyLines = (
  lines: readonly { lineNo: number; sku: string; qty: number }[],
  subjectId: string,
) =>
  withTransaction(db.database, async (tx) => {
    const [answer] = await reserveStock(tx, 'main', [{ subjectId, maySplit: true, lines }])
    return answer
  })
const buy = (sku: string, qty: number, subjectId: string) =>
  buyLines([{ lineNo: 1, sku, qty }], subjectId)
const row = async (sku: string) => (await listStock(db.database, 'main', { sku, limit: 1 }))[0]
const violations = async () =>
  (
    await Promise.all(
      inventoryChecks.map((check) => read(db.database, check.find, { merchant: 'main' })),
    )
  ).flat()

test('a sale finds its rows by their key, however small the shop', async () => {
  const shop = await createTestDatabase()
  onTestFinished(shop.drop)
  const skus = Array.from({ length: 1_000 }, (_, n) => `SKU-${n}`)
  await withTransaction(shop.database, async (tx) => {
    await addLocation(tx, 'main', { id: 'loc-a', name: 'A' })
    const locations = skus.map(() => 'loc-a')
    await change(tx, ensureStockRows, { merchant: 'main', skus, locations })
  })
  while (await analyzeGrownTable(shop.database));
  const client = await shop.database.pool.connect()
  try {
    await client.query('set plan_cache_mode = force_generic_plan')
    await client.query(`prepare sale as ${takeStock.text}`)
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(
      `explain execute sale ('main', '{SKU-1}', '{loc-a}', '{1}', '{ord_1}', '{1}', '{loc-a}', '{SKU-1}', '{1}')`,
    )
    const plan = rows.map((line) => line['QUERY PLAN']).join('\n')
    expect(plan).toContain('Index Scan using stock_pkey on stock')
    expect(plan).not.toContain('Seq Scan')
  } finally {
    client.release(true)
  }
})

describe('the stock book', () => {
  test('sells the last unit once to forty buyers at once', async () => {
    orThrow(await receive('LAST', 1))
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, n) => buy('LAST', 1, `ord_last${n}`)),
    )
    expect(answers.filter((answer) => answer?.ok)).toHaveLength(1)
    expect(answers.find((answer) => answer && !answer.ok)).toMatchObject({
      refusal: { code: 'insufficient_stock' },
    })
    expect(await row('LAST')).toMatchObject({ on_hand: 1, reserved: 1, available: 0 })
  })

  test('shows a product with what is free at all locations, and nothing of a withdrawn one', async () => {
    const shown = async (sku: string) => {
      const one = await productOnSale(db.database, 'main', sku)
      const [before, after] = [sku.slice(0, -1), `${sku}!`]
      const page = await pageOnSale(db.database, 'main', { after: before, limit: 10 })
      // A page tells of each product what the product tells of itself.
      expect(page.filter((found) => found.product.sku < after)).toEqual(one ? [one] : [])
      return one?.available
    }
    await withTransaction(db.database, (tx) =>
      upsertProducts(
        tx,
        'main',
        ['SHOW', 'BARE', 'GONE'].map((sku) => ({
          sku,
          title: 'Mug',
          priceMinor: 1,
          currency: 'GBP',
          isActive: sku !== 'GONE',
        })),
      ),
    )
    orThrow(await receive('SHOW', 5))
    await buy('SHOW', 2, 'ord_show')
    expect([await shown('SHOW'), await shown('BARE')]).toEqual([3, 0])
    expect([await shown('GONE'), await shown('NONE')]).toEqual([undefined, undefined])
    await withTransaction(db.database, (tx) =>
      change(tx, quarantineSkus, { merchant: 'main', skus: ['SHOW'] }),
    )
    expect(await shown('SHOW')).toBe(0)
  })

  test('fails the transaction of a sale that takes more than a row has', async () => {
    orThrow(await receive('FEW', 3))
    const taken = withTransaction(db.database, (tx) =>
      many(tx, takeStock, {
        merchant: 'main',
        skus: ['FEW'],
        locations: ['loc-a'],
        units: [4],
        subjects: ['ord_few'],
        lines: [1],
        line_locations: ['loc-a'],
        line_skus: ['FEW'],
        line_units: [4],
      }),
    )
    await expect(taken).rejects.toThrow('0 of 1 stock rows')
    expect(await row('FEW')).toMatchObject({ on_hand: 3, reserved: 0, available: 3 })
  })

  test('names a SKU that is short once, however many lines ask for it', async () => {
    orThrow(await receive('TWICE', 1))
    const lines = [1, 2, 3].map((lineNo) => ({ lineNo, sku: 'TWICE', qty: 2 }))
    expect(await buyLines(lines, 'ord_twice')).toMatchObject({
      refusal: { detail: 'Not enough stock for TWICE.' },
    })
  })

  test('releases once, however often it is asked', async () => {
    orThrow(await receive('REL', 5))
    await buy('REL', 3, 'ord_rel')
    const release = (source: string) =>
      withTransaction(db.database, (tx) =>
        releaseStock(tx, 'main', [{ subjectId: 'ord_rel', sourceId: source }]),
      )
    const units = await Promise.all(['cxl_1', 'cxl_2', 'cxl_3', 'cxl_4'].map(release))
    expect(units.map((one) => one.units).toSorted((a, b) => a - b)).toEqual([0, 0, 0, 3])
    expect(await row('REL')).toMatchObject({ on_hand: 5, reserved: 0, available: 5 })
  })

  test('records a document once and refuses its id with other content', async () => {
    expect(await receive('DOC', 5, 'doc-1')).toMatchObject({ value: { wasNew: true } })
    expect(await receive('DOC', 5, 'doc-1')).toMatchObject({ value: { wasNew: false } })
    expect(await receive('DOC', 6, 'doc-1')).toMatchObject({
      refusal: { code: 'adjustment_conflict' },
    })
    expect(await availability(db.database, 'main', ['DOC'])).toEqual([
      { sku: 'DOC', available: 5, isSellable: true },
    ])
  })

  test('an adjustment cannot take reserved units, and a refused document leaves nothing', async () => {
    orThrow(await receive('ADJ', 2))
    await buy('ADJ', 2, 'ord_adj')
    const lines = [
      { sku: 'ADJ2', locationId: 'loc-a', quantity: 7 },
      { sku: 'ADJ', locationId: 'loc-a', quantity: -1 },
    ]
    expect(await record({ id: 'adj-1', kind: 'adjust', lines })).toMatchObject({
      refusal: { code: 'stock_insufficient', field: 'lines[1].quantity' },
    })
    expect(await row('ADJ2')).toBeUndefined()
  })

  test('a count may go below what is reserved and shows the shortfall', async () => {
    orThrow(await receive('CNT', 5))
    await buy('CNT', 4, 'ord_cnt')
    orThrow(
      await record({
        id: 'cnt-1',
        kind: 'count',
        lines: [{ sku: 'CNT', locationId: 'loc-a', quantity: 1 }],
      }),
    )
    expect(await row('CNT')).toMatchObject({ on_hand: 1, reserved: 4, available: 0, shortfall: 3 })
  })

  test('a shipment beyond the book is recorded, told and quarantined; the same one counts once', async () => {
    orThrow(await receive('NEG', 2))
    await buy('NEG', 2, 'ord_neg')
    const shipment = {
      shipmentId: 'shp_1',
      orderId: 'ord_neg',
      locationId: 'loc-a',
      lines: [{ lineNo: 1, sku: 'NEG', qty: 3 }],
    }
    const book = () => withTransaction(db.database, (tx) => issueShipment(tx, 'main', [shipment]))
    expect(await book()).toEqual({ negativeSkus: ['NEG'] })
    expect(await book()).toEqual({ negativeSkus: [] })
    expect(await row('NEG')).toMatchObject({ on_hand: -1, reserved: 0, available: 0, shortfall: 1 })
    expect(await negativeStockSkus(db.database, 'main')).toBe(1)
    orThrow(await receive('NEG', 9, 'rcv-neg-2'))
    expect(await buy('NEG', 1, 'ord_neg2')).toMatchObject({ refusal: { code: 'sku_quarantined' } })
  })

  test('direct SQL as the runtime role cannot sell below zero', async () => {
    orThrow(await receive('SQL', 1))
    const sell = `update inventory.stock set available = available - 2, reserved = reserved + 2 where sku = 'SQL'`
    await expect(db.database.pool.query(sell)).rejects.toThrow(/violates check constraint/)
  })

  test('counters equal the ledger after all of it', async () => {
    expect(await violations()).toEqual([])
  })
})

import { Client } from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createTestDatabase } from '../../../tests/database.ts'
import type { TestDatabase } from '../../../tests/database.ts'
import { appendEvents } from '../records/append-events.ts'
import { withTransaction } from './database.ts'
import { analyzeGrownTable } from './keep-statistics.ts'

let shop: TestDatabase
beforeAll(async () => {
  shop = await createTestDatabase({ connectionsMax: 4 })
})
afterAll(() => shop.drop())

const append = (merchant: string, count: number) =>
  withTransaction(shop.database, (tx) =>
    appendEvents(
      tx,
      merchant,
      Array.from({ length: count }, (_, index) => ({ subjectId: `s${index}`, kind: 'a' })),
    ),
  )
const analyzed = async () => {
  const names: string[] = []
  for (let name = await analyzeGrownTable(shop.database); name;) {
    names.push(name)
    name = await analyzeGrownTable(shop.database)
  }
  return names
}

test('a plan that a connection keeps does not outlive the growth of its table', async () => {
  await append('first', 1)
  await analyzed()
  const client = new Client({ connectionString: shop.runtimeUrl })
  await client.connect()
  onTestFinished(() => client.end())
  await client.query(`set plan_cache_mode = force_generic_plan;
                      prepare kept (text) as select data from platform.event where merchant_id = $1`)
  const rowsPlanned = async () => {
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain execute kept ('first')`)
    return Number(/rows=(\d+)/.exec(rows[0]?.['QUERY PLAN'] ?? '')?.[1])
  }
  expect(await rowsPlanned()).toBe(1)
  await append('first', 5_000)
  expect(await rowsPlanned()).toBe(1)
  expect(await analyzed()).toContain('platform.event')
  expect(await rowsPlanned()).toBe(5_001)
  expect(await analyzed()).toEqual([])
})

test('the runtime role may have grown tables analyzed, and may analyze nothing itself', async () => {
  const client = new Client({ connectionString: shop.runtimeUrl })
  const told: string[] = []
  client.on('notice', (notice) => told.push(notice.message ?? ''))
  await client.connect()
  onTestFinished(() => client.end())
  await client.query('analyze platform.event')
  expect(told.join()).toMatch(/permission denied to analyze/)
})

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { seededRandom } from '#kernel/index.ts'
import {
  holdfast,
  killEverything,
  newDataDir,
  removeDataDir,
  startPlatform,
  withPlatformDatabase,
} from './platform.ts'
import type { Platform } from './platform.ts'
import { isHeldByRule, judge, openWork, readFileOrders, readLedgers } from './river.ts'
import type { FileOrder, Verdict } from './river.ts'

const dataFolder = process.env['TEST_DATA_DIR']
const hasRealData = dataFolder !== undefined && existsSync(join(dataFolder, 'orders.ndjson.gz'))
if (!hasRealData)
  console.warn('SKIPPED: the real orders; set TEST_DATA_DIR to the folder that holds them')

const GENERATED = 600
const SETTLED = { timeout: 200_000, interval: 250 }

type Input = { catalog: string; orders: string; count: number; held: number | undefined }

async function generated(folder: string): Promise<Input> {
  const catalog = join(folder, 'catalog.csv')
  const orders = join(folder, 'orders.ndjson')
  const made = await Promise.all([
    holdfast(folder, [
      'generate',
      'catalog',
      '--seed',
      '7',
      '--count',
      String(GENERATED),
      '--output',
      catalog,
    ]),
    holdfast(folder, [
      'generate',
      'orders',
      '--seed',
      '7',
      '--count',
      String(GENERATED),
      '--output',
      orders,
    ]),
  ])
  expect(made.map((one) => one.stderr + String(one.code))).toEqual(['0', '0'])
  return { catalog, orders, count: GENERATED, held: undefined }
}

function real(folder: string): Input {
  return {
    catalog: join(folder, 'catalogue.csv'),
    orders: join(folder, 'orders.ndjson.gz'),
    count: 12_394,
    held: 3_839,
  }
}

async function settled(dataDir: string): Promise<void> {
  await withPlatformDatabase(dataDir, (database) =>
    vi.waitFor(async () => expect(await openWork(database)).toBe(0), SETTLED),
  )
}

async function judged(
  dataDir: string,
  platform: Platform,
  orders: readonly FileOrder[],
): Promise<Verdict> {
  const ledger = await readLedgers(platform.ledgers)
  return withPlatformDatabase(dataDir, (database) => judge(database, orders, ledger))
}

function expectRight(verdict: Verdict, input: Input, orders: readonly FileOrder[]): void {
  const held = orders.filter(isHeldByRule).map((order) => order.order_id)
  expect(verdict.orders).toBe(input.count)
  expect([...verdict.held].toSorted()).toEqual(held.toSorted())
  expect(held).toHaveLength(input.held ?? held.length)
  expect(verdict.wrong).toEqual([])
  expect(verdict.shipped).toBe(input.count - held.length)
  expect(verdict.unsettled).toBe(0)
}

describe.each([hasRealData ? 'real' : 'generated'])('the river, %s orders', (kind) => {
  let dataDir: string
  let input: Input
  let orders: readonly FileOrder[]
  beforeAll(async () => {
    dataDir = await newDataDir()
    input =
      kind === 'real' && dataFolder !== undefined ? real(dataFolder) : await generated(dataDir)
    orders = await readFileOrders(input.orders)
  })
  afterAll(async () => {
    await killEverything(dataDir)
    await removeDataDir(dataDir)
  })

  test('every clear order is shipped once and whole, every held one waits, and the books agree', async () => {
    const platform = await startPlatform(dataDir)
    expect(await holdfast(dataDir, ['import', 'catalog', input.catalog])).toMatchObject({ code: 0 })
    expect(await holdfast(dataDir, ['import', 'orders', input.orders])).toMatchObject({ code: 0 })
    await settled(dataDir)
    expectRight(await judged(dataDir, platform, orders), input, orders)
    expect(await holdfast(dataDir, ['verify'])).toMatchObject({ code: 0 })
    const again = await holdfast(dataDir, ['import', 'orders', input.orders, '--json'])
    expect(JSON.parse(again.stdout)).toMatchObject({ placed: 0, known: input.count })
    await settled(dataDir)
    expectRight(await judged(dataDir, platform, orders), input, orders)
    expect(await platform.stop()).toBe(0)
  })
})

describe('the river under kill -9 of everything', () => {
  let dataDir: string
  beforeAll(async () => {
    dataDir = await newDataDir()
  })
  afterAll(async () => {
    await killEverything(dataDir)
    await removeDataDir(dataDir)
  })

  test('all processes killed at random moments, then started again: shipped once, nothing lost', async () => {
    const input =
      hasRealData && dataFolder !== undefined ? real(dataFolder) : await generated(dataDir)
    const orders = await readFileOrders(input.orders)
    const random = seededRandom(20_261_122)
    let platform = await startPlatform(dataDir)
    expect(await holdfast(dataDir, ['import', 'catalog', input.catalog])).toMatchObject({ code: 0 })
    for (let kill = 0; kill < 4; kill += 1) {
      const importing = holdfast(dataDir, ['import', 'orders', input.orders])
      // The moment is random and the outcome must not depend on it: no assertion reads a clock.
      await new Promise((resolve) =>
        setTimeout(resolve, 400 + random() * (hasRealData ? 8_000 : 2_000)),
      )
      expect(await killEverything(dataDir)).toBeGreaterThan(0)
      await importing
      platform = await startPlatform(dataDir)
    }
    expect(await holdfast(dataDir, ['import', 'orders', input.orders])).toMatchObject({ code: 0 })
    await settled(dataDir)
    expectRight(await judged(dataDir, platform, orders), input, orders)
    expect(await holdfast(dataDir, ['verify'])).toMatchObject({ code: 0 })
    expect(await platform.stop()).toBe(0)
  })
})

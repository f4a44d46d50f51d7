import { expect, onTestFinished, test, vi } from 'vitest'
import {
  holdfast,
  killEverything,
  newDataDir,
  removeDataDir,
  startPlatform,
  withPlatformDatabase,
} from './platform.ts'
import type { Platform } from './platform.ts'
import { openWork, readLedgers } from './river.ts'

const SKU = 'SAMPLE-MUG-RED'
const SAMPLE = ['shipco', 'fastfreight', 'packlogic']
const WHY = ['--reason', 'journey']

async function newHome(): Promise<string> {
  const dataDir = await newDataDir()
  onTestFinished(async () => {
    await killEverything(dataDir)
    await removeDataDir(dataDir)
  })
  return dataDir
}

async function placeOrder(platform: Platform): Promise<string> {
  const order = { currency: 'GBP', country: 'GB', lines: [{ sku: SKU, qty: 1 }] }
  const response = await fetch(`${platform.httpUrl}/store/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID() },
    body: JSON.stringify(order),
  })
  expect(response.status).toBe(201)
  return String(JSON.parse(await response.text()).id)
}

const stockByLocation = (dataDir: string) =>
  withPlatformDatabase(dataDir, async ({ pool }) => {
    const { rows } = await pool.query(
      `select location_id, sum(on_hand)::int as units from inventory.stock group by 1 order by 1`,
    )
    return rows
  })

test('the sample shop starts again after partners were added and every secret of its own was ended', async () => {
  const dataDir = await newHome()
  const first = await startPlatform(dataDir)
  await withPlatformDatabase(dataDir, (database) =>
    vi.waitFor(async () => expect(await openWork(database)).toBe(0), 120_000),
  )
  const before = await stockByLocation(dataDir)
  const add = ['partners', 'add', 'mine', '--url', 'http://127.0.0.1:9', '--allow-private']
  expect(await holdfast(dataDir, add)).toMatchObject({ code: 0 })
  for (const id of SAMPLE) {
    for (const direction of ['dispatch', 'event']) {
      const rotate = ['partners', 'rotate-secret', id, direction, '--compromised', ...WHY]
      expect(await holdfast(dataDir, rotate)).toMatchObject({ code: 0 })
    }
  }
  expect(await first.stop()).toBe(0)

  const second = await startPlatform(dataDir)
  expect(await stockByLocation(dataDir)).toEqual(before)
  const orderId = await placeOrder(second)
  // Shipped here means that the partner took our signature, and that we took the one of its event.
  await vi.waitFor(async () => {
    const shown = await holdfast(dataDir, ['orders', 'show', orderId, '--json'])
    expect(shown.stdout).toContain('fulfillment.shipped')
  }, 60_000)
  const rows = await readLedgers(second.ledgers)
  expect(new Set(rows.map((row) => row.fulfillment_id)).size).toBe(rows.length)
  expect(await second.stop()).toBe(0)
})

test('a partner of that id which a person registered is left alone, and named', async () => {
  const dataDir = await newHome()
  expect(await holdfast(dataDir, ['migrate'])).toMatchObject({ code: 0 })
  const add = ['partners', 'add', 'shipco', '--url', 'http://127.0.0.1:9', '--allow-private']
  expect(await holdfast(dataDir, add)).toMatchObject({ code: 0 })
  const up = await holdfast(dataDir, ['up'])
  expect({ code: up.code, said: up.stderr }).toEqual({
    code: 1,
    said: expect.stringMatching(/^partner_exists: Partner shipco is yours.*--no-demo/),
  })
  const without = await startPlatform(dataDir, ['--no-demo'])
  expect(await without.stop()).toBe(0)
})

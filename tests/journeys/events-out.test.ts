import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { isSignedBy, openReceiver } from '../../src/subscriptions/receiver.fixture.ts'
import { holdfast, killEverything, newDataDir, removeDataDir, startPlatform } from './platform.ts'
import type { Platform } from './platform.ts'

let dataDir: string
let platform: Platform
let endpoint: Awaited<ReturnType<typeof openReceiver>>
beforeAll(async () => {
  dataDir = await newDataDir()
  endpoint = await openReceiver()
  platform = await startPlatform(dataDir)
})
afterAll(async () => {
  await platform.stop()
  await killEverything(dataDir)
  await endpoint.close()
  await removeDataDir(dataDir)
})

const command = async (...args: readonly string[]): Promise<Record<string, unknown>> => {
  const done = await holdfast(dataDir, [...args, '--json'])
  expect([args, done.code, done.stderr]).toEqual([args, 0, ''])
  return JSON.parse(done.stdout)
}

const page = z.object({
  items: z.array(z.object({ id: z.string(), type: z.string(), data: z.unknown() })),
  next_cursor: z.string(),
  has_more: z.boolean(),
})

async function wholeFeed(key: string) {
  const events: z.infer<typeof page>['items'] = []
  let after = ''
  for (;;) {
    const response = await fetch(`${platform.httpUrl}/admin/events?limit=500${after}`, {
      headers: { authorization: `Bearer ${key}` },
    })
    const read = page.parse(await response.json())
    events.push(...read.items)
    if (!read.has_more) return events
    after = `&after=${read.next_cursor}`
  }
}

const ADDRESS = { name: 'Ada Lovelace', street: '12 St James Square', city: 'London' }

async function placeOrder(key: string, reference: string, country: string): Promise<string> {
  const response = await fetch(`${platform.httpUrl}/store/orders`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      'idempotency-key': reference,
    },
    body: JSON.stringify({
      order_id: reference,
      customer: 'customer-lovelace',
      country,
      currency: 'GBP',
      lines: [{ sku: 'SAMPLE-MUG-RED', qty: 1 }],
      ship_to: { ...ADDRESS, postal_code: 'SW1Y 4LE', country },
    }),
  })
  expect(response.status).toBe(201)
  return z.object({ id: z.string() }).parse(await response.json()).id
}

test('an endpoint is told of the whole life of orders, over a kill -9 of everything', async () => {
  const { key: made } = await command(
    'api-keys',
    'create',
    'shop',
    '--scopes',
    'events:read,orders:submit,orders:change',
  )
  const key = String(made)
  const subscribed = await command(
    'webhooks',
    'add',
    endpoint.url,
    '--from',
    'start',
    '--allow-private',
  )
  const held = await placeOrder(key, 'LIFE-HELD', 'FR')
  for (let index = 0; index < 60; index += 1) await placeOrder(key, `LIFE-${index}`, 'GB')
  const cancelling = await fetch(`${platform.httpUrl}/admin/orders/${held}/cancel`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ reason: 'Ada Lovelace moved' }),
  })
  expect(cancelling.status).toBe(200)
  expect(await killEverything(dataDir)).toBeGreaterThan(1)
  platform = await startPlatform(dataDir)
  for (let index = 60; index < 80; index += 1) await placeOrder(key, `LIFE-${index}`, 'GB')

  const feed = await vi.waitFor(
    async () => {
      const events = await wholeFeed(key)
      const created = events.filter((one) => one.type === 'shipment.created')
      expect(created.length).toBeGreaterThan(80)
      expect([...endpoint.ids()].toSorted()).toEqual(events.map((one) => one.id).toSorted())
      return events
    },
    { timeout: 120_000, interval: 500 },
  )
  const types = new Set(feed.map((one) => one.type))
  for (const type of [
    'order.placed',
    'order.held',
    'order.cleared',
    'order.cancelled',
    'fulfillment.held',
    'fulfillment.accepted',
    'dispatch.accepted',
    'shipment.created',
    'stock.changed',
  ]) {
    expect([type, types.has(type)]).toEqual([type, true])
  }
  expect(feed.find((one) => one.type === 'order.held' && about(one.data) === held)).toBeDefined()
  expect(feed.map((one) => about(one.data)).filter((id) => id === held).length).toBeGreaterThan(2)
  expect(endpoint.seen.every((one) => isSignedBy(String(subscribed['secret']), one))).toBe(true)
  const said = endpoint.seen.map((one) => one.body).join('\n') + JSON.stringify(feed)
  expect(said).not.toMatch(/lovelace|st james|sw1y|sample buyer|high street/i)
  const log = await command('webhooks', 'deliveries', String(subscribed['id']), '--limit', '1000')
  const { deliveries } = z
    .object({ deliveries: z.array(z.object({ id: z.string(), state: z.string() })) })
    .parse(log)
  const known = new Set(deliveries.map((one) => one.id))
  expect(endpoint.seen.filter((one) => known.has(one.id)).length).toBeGreaterThan(400)
  expect(await command('verify')).toMatchObject({ ok: true })
})

const about = (data: unknown): unknown =>
  z.object({ order_id: z.string().optional() }).parse(data).order_id

// The load generator, a process of its own: closed loop (`clients`) or open loop (`rate` a second, each
// latency counted from the time the request was meant to start). Reads its plan as a JSON line, warms up,
// says so, waits for a line, so that whoever counts CPU has begun to count, and prints what it found.
import { randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline'
import { lightClients } from './light-client.ts'
import { z } from 'zod'
import { seededRandom } from '#kernel/index.ts'
import type { Random } from '#kernel/index.ts'

const plan = z.object({
  url: z.string(),
  shape: z.enum(['holdfast', 'baseline']),
  test: z.enum(['order', 'list', 'detail', 'search']),
  clients: z.number(),
  seconds: z.number(),
  warmSeconds: z.number().default(1),
  skus: z.array(z.string()),
  linesPerOrder: z.number().default(0),
  rate: z.number().optional(),
  cached: z.boolean().default(false),
  seed: z.number(),
})
/** What a load run is asked for. */
export type LoadPlan = z.input<typeof plan>
type Plan = z.output<typeof plan>

/** What it found; latencies in milliseconds. */
export type LoadResult = {
  ok: number
  errors: Record<string, number>
  seconds: number
  perSecond: number
  p50: number
  p95: number
  p99: number
  p999: number
  max: number
}

const address = {
  name: 'Ann Buyer',
  street: 'Main St 1',
  city: 'Leeds',
  postal_code: 'LS1 1AA',
  country: 'GB',
}

function requestOf(
  asked: Plan,
  pick: () => string,
  random: Random,
): { method: 'GET' | 'POST'; path: string; headers?: Record<string, string>; body?: string } {
  if (asked.test === 'list') {
    const at = asked.cached ? 0 : Math.floor(random() * 40) * 20
    if (asked.shape === 'baseline')
      return { method: 'GET', path: `/products?limit=20&offset=${at}` }
    return {
      method: 'GET',
      path: asked.cached
        ? '/store/products?limit=20'
        : `/store/products?limit=20&cursor=${encodeURIComponent(pick())}`,
    }
  }
  if (asked.test === 'search')
    return {
      method: 'GET',
      // A word of ten products: SKU-01234 is found by 0123.
      path: `/store/products?q=${encodeURIComponent(pick().slice(4, 8))}&limit=20`,
    }
  if (asked.test === 'detail') {
    return {
      method: 'GET',
      path: asked.shape === 'baseline' ? `/products/${pick()}` : `/store/products/${pick()}`,
    }
  }
  const count = asked.linesPerOrder || 2 + Math.floor(random() * 2)
  const skus = new Set<string>()
  while (skus.size < Math.min(count, asked.skus.length)) skus.add(pick())
  const lines = [...skus].map((sku) => ({ sku, n: 1 + Math.floor(random() * 2) }))
  const json = { 'content-type': 'application/json' }
  if (asked.shape === 'baseline') {
    return {
      method: 'POST',
      path: '/orders',
      headers: json,
      body: JSON.stringify({
        email: 'ann@buyer.test',
        address,
        shipping: 'standard',
        payment: 'manual',
        lines: lines.map(({ sku, n }) => ({ sku, quantity: n })),
      }),
    }
  }
  return {
    method: 'POST',
    path: '/store/orders',
    headers: { ...json, 'idempotency-key': randomUUID() },
    body: JSON.stringify({
      currency: 'GBP',
      ship_to: address,
      lines: lines.map(({ sku, n }) => ({ sku, qty: n })),
    }),
  }
}

async function run(asked: Plan, mayBegin: () => Promise<unknown>): Promise<LoadResult> {
  const random = seededRandom(asked.seed)
  const clients = lightClients(asked.url, asked.clients)
  const pick = (): string => asked.skus[Math.floor(random() * asked.skus.length)] ?? ''
  const latencies: number[] = []
  const errors: Record<string, number> = {}
  const once = async (meantAt: number, counts: boolean): Promise<void> => {
    try {
      const status = await clients.request(requestOf(asked, pick, random))
      if (!counts) return
      if (status < 300) latencies.push(performance.now() - meantAt)
      else errors[status] = (errors[status] ?? 0) + 1
    } catch (fault) {
      const name = fault instanceof Error ? fault.message : String(fault)
      errors[name] = (errors[name] ?? 0) + 1
    }
  }
  const closed = async (seconds: number, counts: boolean): Promise<void> => {
    const until = performance.now() + seconds * 1_000
    await Promise.all(
      Array.from({ length: asked.clients }, async () => {
        while (performance.now() < until) await once(performance.now(), counts)
      }),
    )
  }
  const open = async (seconds: number, rate: number): Promise<void> => {
    const begin = performance.now()
    const flights: Promise<void>[] = []
    for (let n = 0; n < seconds * rate; n += 1) {
      const meantAt = begin + (n * 1_000) / rate
      const early = meantAt - performance.now()
      if (early > 1) await new Promise((resolve) => setTimeout(resolve, early))
      flights.push(once(meantAt, true))
    }
    await Promise.all(flights)
  }
  await closed(asked.warmSeconds, false)
  process.stdout.write('{"isWarm":true}\n')
  await mayBegin()
  const begin = performance.now()
  if (asked.rate) await open(asked.seconds, asked.rate)
  else await closed(asked.seconds, true)
  const seconds = (performance.now() - begin) / 1_000
  clients.close()
  latencies.sort((a, b) => a - b)
  const at = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.ceil(share * latencies.length) - 1)] ?? 0
  return {
    ok: latencies.length,
    errors,
    seconds,
    perSecond: latencies.length / seconds,
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
    p999: at(0.999),
    max: at(1),
  }
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const { value: given } = await lines.next()
const found = await run(plan.parse(JSON.parse(String(given))), () => lines.next())
process.stdout.write(`${JSON.stringify(found)}\n`)

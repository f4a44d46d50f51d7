import { randomUUID } from 'node:crypto'
import { Pool } from 'undici'
import type { Figure } from './figure.ts'
import { openWorld } from './world.ts'
import type { Server } from './world.ts'

type Sale = { statuses: Record<string, number>; orders: number; seconds: number }

/** 500 buyers of 100 units at once; and again over two processes, one of them killed in the middle. */
export async function flashSale(): Promise<readonly Figure[]> {
  const world = await openWorld()
  try {
    const first = await world.startOurs()
    await sell([first], 'HOT', 50)
    const calm = await sell([first], 'FLASH', 500)
    const second = await world.startOurs()
    const killed = await sell([first, second], 'KILL', 500, () => void second.stop('SIGKILL'))
    const units = await world.query(
      `select sku, reserved::int as reserved from inventory.stock where sku in ('FLASH', 'KILL') order by sku`,
    )
    const faults = (sale: Sale): number =>
      Object.entries(sale.statuses)
        .filter(([status]) => status.startsWith('5'))
        .reduce((sum, [, count]) => sum + count, 0)
    return [
      {
        name: 'orders of 100 units, 500 buyers',
        value: calm.orders,
        unit: 'orders',
        goal: '100',
        met: calm.orders === 100 && units[0]?.['reserved'] === 100,
      },
      {
        name: 'answers 5xx',
        value: faults(calm),
        unit: 'answers',
        goal: '0',
        met: faults(calm) === 0,
      },
      {
        name: 'time of the sale',
        value: calm.seconds,
        unit: 's',
        goal: '< 2 s',
        met: calm.seconds < 2,
      },
      {
        name: 'orders of 100 units with a kill -9, keys repeated',
        value: killed.orders,
        unit: 'orders',
        goal: '100',
        met: killed.orders === 100 && units[1]?.['reserved'] === 100,
      },
    ]
  } finally {
    await world.close()
  }
}

async function sell(
  servers: readonly Server[],
  sku: string,
  buyers: number,
  inTheMiddle?: () => void,
): Promise<Sale> {
  const pools = servers.map((server) => new Pool(server.url, { connections: buyers }))
  const statuses: Record<string, number> = {}
  const orders = new Set<string>()
  let answered = 0
  const buy = async (n: number): Promise<void> => {
    const key = randomUUID()
    for (let attempt = 0; attempt < 6; attempt += 1) {
      try {
        const answer = await pools[(n + attempt) % pools.length]?.request({
          method: 'POST',
          path: '/store/orders',
          headers: { 'content-type': 'application/json', 'idempotency-key': key },
          body: JSON.stringify({ currency: 'GBP', country: 'GB', lines: [{ sku, qty: 1 }] }),
        })
        const text = (await answer?.body.text()) ?? ''
        const status = answer?.statusCode ?? 0
        statuses[status] = (statuses[status] ?? 0) + 1
        if (status === 201) orders.add(/"id":"([^"]+)"/.exec(text)?.[1] ?? '')
        answered += 1
        if (answered === Math.floor(buyers / 5)) inTheMiddle?.()
        return
      } catch {
        // The process that was asked is gone: the same key goes to the other one.
      }
    }
  }
  const begin = performance.now()
  await Promise.all(Array.from({ length: buyers }, (_, n) => buy(n)))
  const seconds = (performance.now() - begin) / 1_000
  await Promise.all(pools.map((pool) => pool.destroy()))
  return { statuses, orders: orders.size, seconds }
}

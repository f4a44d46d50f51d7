import { readFile } from 'node:fs/promises'
import { ratioFigure } from './figure.ts'
import type { Effort, Figure } from './figure.ts'
import { load, openWorld } from './world.ts'
import type { Server, World } from './world.ts'

const SMALL = 10_000
const FILL_CLIENTS = 256
const FILL_SECONDS = 10
const WINDOW_CLIENTS = 64
const WINDOW_SECONDS = 5

/** What an order costs in one window: CPU of server and database, time, and the server's memory. */
type Window = { readonly orders: number; cpuMs: number; wallMs: number; rssMib: number }

/**
 * Orders through `POST /store/orders` until there are 300,000 (30,000 with `--quick`): what an order
 * costs in a window at 10,000 and in the same window at the end, the server's memory at both and at
 * its most, and bytes of WAL and disk per order over all of it, checkpoints and vacuum included.
 */
export async function growth(effort: Effort): Promise<readonly Figure[]> {
  const large = effort.pairs > 1 ? 300_000 : 30_000
  const world = await openWorld()
  try {
    const server = await world.startOurs()
    const before = await sizes(world)
    const peak = { rssMib: 0 }
    await fill(world, server, SMALL, peak)
    const few = await measure(world, server)
    await fill(world, server, large, peak)
    const many = await measure(world, server)
    const after = await sizes(world)
    const orders = await count(world)
    const at = (window: Window) => `at ${window.orders.toLocaleString('en')} orders`
    return [
      { name: `CPU per order ${at(few)}`, value: few.cpuMs, unit: 'ms' },
      { name: `CPU per order ${at(many)}`, value: many.cpuMs, unit: 'ms' },
      ratioFigure('CPU per order, many against few', many.cpuMs / few.cpuMs, { atMost: 1.3 }),
      { name: `time per order ${at(few)}`, value: few.wallMs, unit: 'ms' },
      { name: `time per order ${at(many)}`, value: many.wallMs, unit: 'ms' },
      ratioFigure('time per order, many against few', many.wallMs / few.wallMs, { atMost: 1.3 }),
      { name: `memory of the server ${at(few)}`, value: few.rssMib, unit: 'MiB' },
      { name: `memory of the server ${at(many)}`, value: many.rssMib, unit: 'MiB' },
      { name: 'memory of the server, at its most', value: peak.rssMib, unit: 'MiB' },
      // Resident, garbage that is not yet collected included: hence not 1.0.
      ratioFigure('memory, many against few', many.rssMib / few.rssMib, { atMost: 1.3 }),
      { name: 'WAL per order', value: (after.wal - before.wal) / orders, unit: 'bytes' },
      { name: 'disk per order', value: (after.disk - before.disk) / orders, unit: 'bytes' },
    ]
  } finally {
    await world.close()
  }
}

async function measure(world: World, server: Server): Promise<Window> {
  const orders = await count(world)
  const run = await load(world, server, plan(world, WINDOW_CLIENTS, WINDOW_SECONDS))
  return {
    orders,
    cpuMs: ((run.serverCpuS + run.databaseCpuS) * 1_000) / run.ok,
    wallMs: 1_000 / run.perSecond,
    rssMib: await rssMib(server),
  }
}

async function fill(
  world: World,
  server: Server,
  upTo: number,
  peak: { rssMib: number },
): Promise<void> {
  // Short for the first few, so that the window at 10,000 is not one at 30,000.
  const seconds = upTo > SMALL ? FILL_SECONDS : 1
  while ((await count(world)) < upTo) {
    await load(world, server, plan(world, FILL_CLIENTS, seconds))
    peak.rssMib = Math.max(peak.rssMib, await rssMib(server))
  }
}

const plan = (world: World, clients: number, seconds: number) => ({
  test: 'order' as const,
  shape: 'holdfast' as const,
  clients,
  seconds,
  warmSeconds: 0.2,
  skus: [...world.skus],
})

async function rssMib({ pid }: Server): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) / 1_024
}

async function count(world: World): Promise<number> {
  return Number((await world.query('select count(*)::int as n from orders."order"'))[0]?.['n'])
}

async function sizes(world: World): Promise<{ wal: number; disk: number }> {
  const [row] = await world.query(
    `select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as wal, pg_database_size('holdfast')::float8 as disk`,
  )
  return { wal: Number(row?.['wal']), disk: Number(row?.['disk']) }
}

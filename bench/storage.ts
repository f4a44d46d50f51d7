import { ratioFigure } from './figure.ts'
import type { Effort, Figure } from './figure.ts'
import { load, openWorld } from './world.ts'
import type { Server, World } from './world.ts'

const SMALL = 10_000

/**
 * WAL and disk bytes per order, and what an order costs when there are many: CPU per order of the last
 * stretch at 300,000 orders (30,000 with `--quick`) against the stretch at 10,000.
 */
export async function storage(effort: Effort): Promise<readonly Figure[]> {
  const large = effort.pairs > 1 ? 300_000 : 30_000
  const world = await openWorld()
  try {
    const server = await world.startOurs()
    const before = await sizes(world)
    await fill(world, server, SMALL)
    const after = await sizes(world)
    const few = await cost(world, server)
    await fill(world, server, large)
    const many = await cost(world, server)
    const orders = await count(world)
    return [
      {
        name: 'WAL per order of 2 to 3 lines',
        value: (after.wal - before.wal) / SMALL,
        unit: 'bytes',
      },
      {
        name: 'disk per order of 2 to 3 lines',
        value: (after.disk - before.disk) / SMALL,
        unit: 'bytes',
      },
      { name: 'orders at the end', value: orders, unit: 'orders' },
      ratioFigure(`CPU per order at ${large} against ${SMALL}`, many.cpuMs / few.cpuMs, {
        atMost: 1.3,
      }),
      { name: 'resident memory of the server at the end', value: many.rssMib, unit: 'MiB' },
      { name: `resident memory at ${SMALL}`, value: few.rssMib, unit: 'MiB' },
    ]
  } finally {
    await world.close()
  }
}

async function cost(world: World, server: Server): Promise<{ cpuMs: number; rssMib: number }> {
  const run = await load(world, server, plan(world, 5))
  const { readFile } = await import('node:fs/promises')
  const status = await readFile(`/proc/${server.pid}/status`, 'utf8')
  return {
    cpuMs: ((run.serverCpuS + run.databaseCpuS) * 1_000) / run.ok,
    rssMib: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024,
  }
}

async function fill(world: World, server: Server, upTo: number): Promise<void> {
  while ((await count(world)) < upTo) await load(world, server, plan(world, 5))
}

const plan = (world: World, seconds: number) => ({
  test: 'order' as const,
  shape: 'holdfast' as const,
  clients: 64,
  seconds,
  warmSeconds: 0.2,
  skus: [...world.skus],
})

async function count(world: World): Promise<number> {
  return Number((await world.query('select count(*)::int as n from orders."order"'))[0]?.['n'])
}

async function sizes(world: World): Promise<{ wal: number; disk: number }> {
  const [row] = await world.query(
    `select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as wal, pg_database_size('holdfast')::float8 as disk`,
  )
  return { wal: Number(row?.['wal']), disk: Number(row?.['disk']) }
}

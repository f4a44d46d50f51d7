import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { invariant } from '#kernel/index.ts'
import { SESSION_OPTIONS } from '#platform/index.ts'
import { median, ratioFigure } from './figure.ts'
import type { Effort, Figure } from './figure.ts'
import { hotLane } from './hot-lane.ts'
import { load, openWorld } from './world.ts'
import type { Measured, World } from './world.ts'

/** One SKU in every order: over HTTP against the baseline, and in the database layer against pgbench. */
export async function hotSku({ pairs, seconds }: Effort): Promise<readonly Figure[]> {
  const world = await openWorld()
  try {
    const [ours, baseline] = [await world.startOurs(), await world.startBaseline()]
    const runs: { ours: Measured; baseline: Measured }[] = []
    const plan = { test: 'order' as const, clients: 32, seconds, skus: ['HOT'], linesPerOrder: 1 }
    for (let pair = 0; pair < pairs; pair += 1) {
      runs.push({
        ours: await load(world, ours, { ...plan, shape: 'holdfast' }),
        baseline: await load(world, baseline, { ...plan, shape: 'baseline' }),
      })
    }
    const p99 = median(runs.map((run) => run.ours.p99))
    const overHttp: Figure[] = [
      {
        name: 'orders/s over HTTP, 32 clients, Holdfast',
        value: median(runs.map((run) => run.ours.perSecond)),
        unit: '1/s',
      },
      {
        name: 'orders/s over HTTP, 32 clients, baseline',
        value: median(runs.map((run) => run.baseline.perSecond)),
        unit: '1/s',
      },
      ratioFigure(
        'throughput over HTTP',
        median(runs.map((run) => run.ours.perSecond / run.baseline.perSecond)),
        { atLeast: 2 },
      ),
      { name: 'p99 over HTTP, Holdfast', value: p99, unit: 'ms', goal: '≤ 50 ms', met: p99 <= 50 },
    ]
    await Promise.all([ours.stop(), baseline.stop()])
    return [...overHttp, ...(await inDatabase(world, pairs, seconds))]
  } finally {
    await world.close()
  }
}

async function inDatabase(
  world: World,
  pairs: number,
  seconds: number,
): Promise<readonly Figure[]> {
  const pgbench = findPgbench()
  if (!pgbench) {
    process.stderr.write(
      'SKIPPED: pgbench is not installed (Debian: postgresql-contrib); no comparison in the database layer\n',
    )
    return []
  }
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-pgbench-'))
  try {
    const script = join(folder, 'order.sql')
    await prepare(world.baselineUrl)
    await writeFile(script, ORDER_TRANSACTION)
    const rates: { ours: number; pgbench: number }[] = []
    for (let pair = 0; pair < pairs; pair += 1) {
      const ours = await hotLane(world.oursUrl, 32, seconds)
      const out = spawnSync(
        pgbench,
        [
          '-n',
          '-M',
          'prepared',
          '-c',
          '32',
          '-j',
          '1',
          '-T',
          String(Math.ceil(seconds)),
          '-f',
          script,
          world.baselineUrl,
        ],
        { encoding: 'utf8', env: PGBENCH_ENV },
      )
      invariant(out.status === 0, `pgbench runs: ${out.stderr}`)
      rates.push({ ours, pgbench: Number(/tps = ([\d.]+)/.exec(out.stdout)?.[1] ?? Number.NaN) })
    }
    return [
      {
        name: 'orders/s in the database layer, 32 callers, Holdfast',
        value: median(rates.map((one) => one.ours)),
        unit: '1/s',
      },
      {
        name: 'orders/s, 32 connections, pgbench with one transaction an order',
        value: median(rates.map((one) => one.pgbench)),
        unit: '1/s',
      },
      ratioFigure('database layer', median(rates.map((one) => one.ours / one.pgbench)), {
        atLeast: 8,
      }),
    ]
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function prepare(url: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query('create extension if not exists pgcrypto').catch(() => undefined)
  await client.end()
}

// The same work as the baseline's transaction, statement by statement.
const ORDER_TRANSACTION = `
begin;
update stock set available = available - 1 where sku = 'HOT' and available >= 1;
insert into "order" (id, email, address, shipping, total, status) values (gen_random_uuid(), 'a@b.test', '{"city":"Leeds"}', 'standard', 500, 'placed') returning id \\gset
insert into order_line values (:id, 'HOT', 1, 500);
insert into payment values (gen_random_uuid(), :id, 'manual', 500, 'authorized');
commit;
`

/** pgbench under the settings of our own connections: what is compared is the work, not the planner. */
export const PGBENCH_ENV = { ...process.env, PGOPTIONS: SESSION_OPTIONS }

/** The newest pgbench of this machine, where there is one. */
export function findPgbench(): string | undefined {
  const root = '/usr/lib/postgresql'
  if (!existsSync(root)) return undefined
  const found = readdirSync(root)
    .map((version) => join(root, version, 'bin', 'pgbench'))
    .filter(existsSync)
  return found.at(-1)
}

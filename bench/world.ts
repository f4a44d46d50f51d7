import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import { orThrow } from '#kernel/index.ts'
import { startThrowaway } from '#platform/embedded/index.ts'
import type { ThrowawayCluster } from '#platform/embedded/index.ts'
import { migrate } from '#platform/index.ts'
import { makeBaseline } from './baseline/schema.ts'
import type { LoadPlan, LoadResult } from './load.ts'
import { benchSeed } from './seed.ts'
import { stockOurs } from './stock-ours.ts'

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** The master key of every bench server. */
export const BENCH_MASTER_KEY = Buffer.alloc(32, 3)

/** What this process measured on; set when a world opens. */
export const measuredOn: { postgres?: string } = {}

/** One PostgreSQL with both sides' databases, stocked alike. */
export type World = {
  readonly cluster: ThrowawayCluster
  readonly oursUrl: string
  readonly baselineUrl: string
  readonly skus: readonly string[]
  readonly startOurs: (roles?: string) => Promise<Server>
  readonly startBaseline: () => Promise<Server>
  readonly query: (text: string) => Promise<Record<string, unknown>[]>
  readonly close: () => Promise<void>
}

/** A server process under test. */
export type Server = {
  readonly url: string
  readonly pid: number
  readonly stop: (signal?: NodeJS.Signals) => Promise<void>
}

/** A load run with the CPU seconds that server and database spent while it was counted. */
export type Measured = LoadResult & { readonly serverCpuS: number; readonly databaseCpuS: number }

/** Opens a world of 1,000 SKUs, or as many as asked, each with a million units, HOT and FLASH beside. */
export async function openWorld(products = 1_000): Promise<World> {
  const cluster = await startThrowaway({ forceTcp: true })
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
  const keyFile = join(folder, 'master.key')
  await writeFile(keyFile, BENCH_MASTER_KEY, { mode: 0o600 })
  orThrow(await migrate(cluster.ownerUrl))
  const skus = Array.from({ length: products }, (_, n) => `SKU-${String(n).padStart(5, '0')}`)
  const stock = new Map([
    ...skus.map((sku) => [sku, 1_000_000] as const),
    ['HOT', 100_000_000],
    ['FLASH', 100],
    ['KILL', 100],
  ])
  await asAdmin(cluster.adminUrl, 'create database baseline')
  const baselineUrl = cluster.adminUrl.replace(/\/postgres(?=\?|$)/, '/baseline')
  await makeBaseline(baselineUrl, stock)
  await stockOurs(cluster.runtimeUrl, stock)
  await asAdmin(
    cluster.adminUrl.replace(/\/postgres(?=\?|$)/, '/holdfast'),
    'analyze catalog.product, inventory.stock',
  )
  const [version] = await asAdmin(cluster.adminUrl, 'show server_version')
  measuredOn.postgres = String(version?.['server_version'])
  const servers: Server[] = []
  const start = async (file: string, args: string[], env: NodeJS.ProcessEnv): Promise<Server> => {
    const server = await startServer(file, args, env)
    servers.push(server)
    return server
  }
  return {
    cluster,
    oursUrl: cluster.runtimeUrl,
    baselineUrl,
    skus,
    startOurs: (roles = 'web') =>
      start(here('serve-ours.ts'), [roles], {
        HOLDFAST_DATABASE_URL: cluster.runtimeUrl,
        HOLDFAST_MASTER_KEY_FILE: keyFile,
        HOLDFAST_HTTP_PORT: '0',
        HOLDFAST_GRPC_PORT: '0',
        HOLDFAST_LOG_LEVEL: 'error',
      }),
    startBaseline: () => start(here('baseline/server.ts'), [], { DATABASE_URL: baselineUrl }),
    query: (text) => asAdmin(cluster.adminUrl.replace(/\/postgres(?=\?|$)/, '/holdfast'), text),
    close: async () => {
      for (const server of servers) await server.stop()
      await cluster.dispose()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function startServer(file: string, args: string[], env: NodeJS.ProcessEnv): Promise<Server> {
  const child = spawn(process.execPath, [file, ...args], {
    env: { ...process.env, NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line]: unknown[] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  const { httpUrl }: { httpUrl: string } = JSON.parse(String(line))
  return {
    url: httpUrl,
    pid: child.pid ?? 0,
    stop: async (signal = 'SIGTERM') => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill(signal)
      await ended
    },
  }
}

/** Runs a load in a process of its own and counts CPU from its first measured request to its last. */
export async function load(
  world: World,
  server: Server,
  plan: Omit<LoadPlan, 'url' | 'seed'>,
): Promise<Measured> {
  const child: ChildProcess = spawn(process.execPath, [here('load.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout ?? process.stdin })[Symbol.asyncIterator]()
  child.stdin?.write(`${JSON.stringify({ ...plan, url: server.url, seed: benchSeed() })}\n`)
  const roots = [server.pid, await postmasterOf(world)]
  await lines.next()
  const before = await cpuOf(roots)
  child.stdin?.end('go\n')
  const { value } = await lines.next()
  const after = await cpuOf(roots)
  const result: LoadResult = JSON.parse(String(value))
  await exited
  const [serverCpuS = Number.NaN, databaseCpuS = Number.NaN] = after.map(
    (cpuS, index) => cpuS - (before[index] ?? Number.NaN),
  )
  return { ...result, serverCpuS, databaseCpuS }
}

async function postmasterOf(world: World): Promise<number> {
  const [row] = await world.query('show data_directory')
  const text = await readFile(join(String(row?.['data_directory']), 'postmaster.pid'), 'utf8')
  return Number(text.split('\n')[0])
}

// CPU seconds of some processes, each with its living and reaped children, from one reading of /proc
// (100 ticks a second).
async function cpuOf(roots: readonly number[]): Promise<readonly number[]> {
  const stats = new Map<number, { parent: number; own: number; reaped: number }>()
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const text = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => undefined)
    if (text === undefined) continue
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number)
    stats.set(Number(name), {
      parent: fields[1] ?? 0,
      own: ((fields[11] ?? 0) + (fields[12] ?? 0)) / 100,
      reaped: ((fields[13] ?? 0) + (fields[14] ?? 0)) / 100,
    })
  }
  const sum = (pid: number): number =>
    [...stats]
      .filter(([, stat]) => stat.parent === pid)
      .reduce(
        (total, [child]) => total + sum(child),
        (stats.get(pid)?.own ?? 0) + (stats.get(pid)?.reaped ?? 0),
      )
  return roots.map(sum)
}

async function asAdmin(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(text)).rows
  } finally {
    await client.end()
  }
}

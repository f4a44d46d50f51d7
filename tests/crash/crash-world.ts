import { fork } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { invariant, orThrow, seededRandom } from '#kernel/index.ts'
import type { Random } from '#kernel/index.ts'
import { MASTER_KEY } from '#fulfillment/warehouse.fixture.ts'
import { addLocation } from '#inventory/index.ts'
import { gradePartner, registerPartner } from '#partners/index.ts'
import { closeDatabase, migrate, openDatabase, withTransaction } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { startEmbedded } from '#platform/embedded/index.ts'
import { newWebhookSecret } from '#platform/webhooks/index.ts'
import { createTestContext } from '../database.ts'
import { startFleet } from './fleet.ts'
import { NETWORK_FAULTS, openTcpFaultProxy } from './tcp-fault-proxy.ts'
import type { NetworkFault, TcpFaultProxy } from './tcp-fault-proxy.ts'

const SIMULATOR = fileURLToPath(new URL('../../src/simulator/main.ts', import.meta.url))
/** Named partners, their grades, and how the class C one behaves. */
export const PARTNERS = [
  { id: 'shipco', grade: 'A' },
  { id: 'fastfreight', grade: 'B' },
  { id: 'packlogic', grade: 'C' },
] as const

/** How rough a run is. Rates are shares from 0 to 1. */
export type CrashPlan = {
  readonly seed: number
  readonly dispatchers: number
  /** Chance of a SIGKILL of its own at each named point that a dispatcher passes. */
  readonly pointRate: number
  /** Bytes between two faults before a partner; an exchange is about 2,000. */
  readonly partnerBytesPerFault: number
  /** Bytes between two faults before the database. */
  readonly databaseBytesPerFault: number
}

/** How often each fault struck. */
export type Struck = Readonly<Record<NetworkFault, number>>

/** Everything that a crash run is made of: real processes, real PostgreSQL, faulty wires. */
export type CrashWorld = {
  readonly context: Context
  readonly random: Random
  readonly kills: Readonly<Record<string, number>>
  readonly networkFaults: () => { readonly partners: Struck; readonly database: Struck }
  /** SIGKILL to one dispatcher, wherever it is; it starts again by itself. */
  readonly killOne: () => void
  /** SIGSTOP for a while: a zombie that wakes after its lease. */
  readonly stallOne: (forMs: number) => void
  /** An immediate shutdown of PostgreSQL; its supervisor starts it again. */
  readonly crashDatabase: () => Promise<void>
  /** No fault from now on. */
  readonly heal: () => void
  /** Dispatches that are settled, by our books. */
  readonly settled: () => Promise<number>
  readonly ledgers: () => Promise<readonly string[]>
  /** Our export: fulfillment id and the state of its dispatch, as CSV. */
  readonly exported: () => Promise<string>
  readonly close: () => Promise<void>
}

/** Starts the database, the partners, the proxies and the dispatchers. */
export async function openCrashWorld(plan: CrashPlan): Promise<CrashWorld> {
  const random = seededRandom(plan.seed)
  const masterKey = MASTER_KEY
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-crash-'))
  // Root's database runs as another user, who must be able to come here.
  await chmod(folder, 0o711)
  const said: string[] = []
  const log = (line: string): void => void said.push(line)
  const started = await startEmbedded({ dataDir: join(folder, 'data'), forceTcp: true, log })
  const engine = orThrow(started)
  orThrow(await migrate(engine.ownerUrl))
  const database = openDatabase(engine.runtimeUrl, { connectionsMax: 4 })
  const context = await createTestContext(database)
  const urls = await startPartners(folder)
  const beforePartners: TcpFaultProxy[] = []
  const proxyTo = (url: URL, bytesPerFault: number) => {
    const upstream = { host: url.hostname, port: Number(url.port) }
    return openTcpFaultProxy({ upstream, bytesPerFault, random })
  }
  for (const { id, grade } of PARTNERS) {
    const { url, secrets } = urls.of(id)
    const proxy = await proxyTo(new URL(url), plan.partnerBytesPerFault)
    beforePartners.push(proxy)
    await withTransaction(database, (tx) => addLocation(tx, 'main', { id: `loc-${id}`, name: id }))
    orThrow(
      await registerPartner(context, masterKey, {
        id,
        url: `http://127.0.0.1:${proxy.port}`,
        allowPrivate: true,
        secrets,
        actor: 'test',
        // Class C keeps what is in doubt for its settle window: more is on its way meanwhile.
        concurrencyMax: grade === 'C' ? 16 : 8,
      }),
    )
    orThrow(await gradePartner(context, { partner: id, grade, actor: 'test', reason: 'declared' }))
  }
  const behind = new URL(engine.runtimeUrl)
  const beforeDatabase = await proxyTo(behind, plan.databaseBytesPerFault)
  behind.port = String(beforeDatabase.port)
  const fleet = startFleet(plan, { url: behind.href, masterKey, random })
  const heal = (): void => {
    fleet.calm()
    for (const proxy of [...beforePartners, beforeDatabase]) proxy.heal()
  }
  return {
    context,
    random,
    kills: fleet.kills,
    networkFaults: () => ({
      partners: sumOf(beforePartners.map((one) => one.struck)),
      database: beforeDatabase.struck,
    }),
    killOne: fleet.killOne,
    stallOne: fleet.stallOne,
    crashDatabase: () => crashPostgres(engine.dataDir, said),
    heal,
    settled: async () => {
      const { rows } = await database.pool.query<{ count: number }>(
        `select count(*)::int as count from fulfillment.dispatch where state = 'accepted'`,
      )
      return rows[0]?.count ?? 0
    },
    ledgers: () => Promise.all(PARTNERS.map(({ id }) => readLedger(urls.of(id).url))),
    exported: () => exportStates(engine.runtimeUrl),
    close: async () => {
      await fleet.stop()
      heal()
      await Promise.all([...beforePartners, beforeDatabase].map((one) => one.close()))
      urls.stop()
      await closeDatabase(database)
      await engine.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function sumOf(all: readonly Struck[]): Struck {
  const sum = { delay: 0, cut: 0, reset: 0, half_close: 0, black_hole: 0 }
  for (const fault of NETWORK_FAULTS) for (const one of all) sum[fault] += one[fault]
  return sum
}

type Secrets = { readonly dispatch: string; readonly event: string }

async function startPartners(folder: string) {
  const secrets = new Map<string, Secrets>(
    PARTNERS.map(({ id }) => [id, { dispatch: newWebhookSecret(), event: newWebhookSecret() }]),
  )
  const config = {
    dataDir: join(folder, 'ledgers'),
    callbackUrl: 'http://127.0.0.1:1',
    shipDelayMs: 86_400_000,
    partners: PARTNERS.map(({ id, grade }) => ({
      id,
      name: id,
      port: 0,
      dispatchSecret: secrets.get(id)?.dispatch,
      eventSecret: secrets.get(id)?.event,
      profile: { grade, lookup_lag_ms: grade === 'C' ? 500 : 0 },
    })),
  }
  const file = join(folder, 'simulator.json')
  await writeFile(file, JSON.stringify(config), { mode: 0o600 })
  const child = fork(SIMULATOR, ['--config', file], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  const [ready] = await once(child, 'message')
  const listed: unknown =
    typeof ready === 'object' && ready !== null && 'partners' in ready ? ready.partners : []
  const found = new Map<string, string>()
  if (Array.isArray(listed)) {
    for (const one of listed) found.set(String(one.id), String(one.url))
  }
  return {
    of: (id: string) => {
      const url = found.get(id)
      const kept = secrets.get(id)
      invariant(url && kept, `partner ${id} listens`)
      return { url, secrets: kept }
    },
    stop: () => void child.kill('SIGTERM'),
  }
}

/** SIGQUIT: PostgreSQL ends without a checkpoint, as after a power cut. */
async function crashPostgres(dataDir: string, said: readonly string[]): Promise<void> {
  const file = join(dataDir, 'postgres', 'postmaster.pid')
  const [first] = (
    await readFile(file, 'utf8').catch((cause: unknown) => {
      throw new Error(`no server runs: ${said.slice(-20).join('\n')}`, { cause })
    })
  ).split('\n')
  process.kill(Number(first), 'SIGQUIT')
}

async function readLedger(url: string): Promise<string> {
  return (await fetch(`${url}/ledger`)).text()
}

async function exportStates(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ id: string; state: string }>(
      `select f.id, coalesce(case when f.state = 'rejected' then 'rejected' end, d.state, f.state)
         as state
         from fulfillment.fulfillment_order f
         left join fulfillment.dispatch d
           on d.merchant_id = f.merchant_id and d.id = f.dispatch_id`,
    )
    return rows.map((row) => `${row.id},${row.state}`).join('\n')
  } finally {
    await client.end()
  }
}

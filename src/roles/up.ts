import { createLogin } from '#access/index.ts'
import { accept } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import {
  awaitDatabase,
  createShutdown,
  databaseUnavailable,
  isUnavailable,
  migrate,
  shutdownOnSignals,
  withTransaction,
} from '#platform/index.ts'
import type { Config, LogSink, Shutdown } from '#platform/index.ts'
import { findGround, MERCHANT, openInstallation } from './installation.ts'
import type { Installation } from './installation.ts'
import { startSamplePartners } from './sample-partners.ts'
import { openSampleShop } from './sample-shop.ts'
import { watchSample } from './watch-sample.ts'
import { ROLES, serveRoles } from './serve-roles.ts'
import type { Serving } from './serve-roles.ts'
import { tellServing } from './serving-file.ts'

/** What a person reads while the platform comes up. */
export type Say = (line: string) => void

/** How long roles wait for a database that starts or recovers, before they end with its name. */
const DATABASE_WAIT_MS = 30_000

/**
 * `holdfast up`: the database (embedded unless one is configured), the schema, all roles, and unless
 * `demo` is false three simulated partners with a sample shop. Resolves when everything runs; the
 * process then lives until a signal. Refusals name what was wrong and leave nothing running.
 */
export async function runUp(
  config: Config,
  options: { demo: boolean; log: LogSink; say: Say },
): Promise<Outcome<Serving>> {
  return runParts(
    (shutdown) => startAll(config, options, shutdown),
    options,
    (code) =>
      options.say(
        code === 0 ? 'Stopped cleanly. Start again and nothing is lost.' : 'Stopped; see the log.',
      ),
  )
}

/**
 * `holdfast serve`: the named roles over a database that is migrated already. One that is starting is
 * waited for, at most half a minute (`database_unavailable`).
 */
export async function runServe(
  config: Config,
  options: { roles: Parameters<typeof serveRoles>[2]; log: LogSink; say: Say },
): Promise<Outcome<Serving>> {
  return runParts(async (shutdown) => {
    const ground = await findGround(config)
    if (!ground.ok) return ground
    shutdown.onShutdown('database', () => ground.value.stop())
    const isThere = await waitFor(ground.value.runtimeUrl, options.say)
    if (!isThere.ok) return isThere
    const opened = await openInstallation(ground.value, { log: options.log, isServing: true })
    if (!opened.ok) return opened
    shutdown.onShutdown('installation', () => opened.value.close())
    return accept(await serveRoles(opened.value, config, options.roles, shutdown))
  }, options)
}

/**
 * Starts parts and lives until a signal, which is heard from the first of them on. A start that fails, or
 * that a signal ends, leaves nothing running.
 */
async function runParts(
  start: (shutdown: Shutdown) => Promise<Outcome<Serving>>,
  { log }: { readonly log: LogSink },
  onExit: (code: number) => void = () => undefined,
): Promise<Outcome<Serving>> {
  const shutdown = createShutdown({ log })
  const starting = unlessDatabaseGoes(() => start(shutdown))
  const exit = (code: number): void => {
    onExit(code)
    log.flush()
    process.exit(code)
  }
  const { isStopping } = shutdownOnSignals(shutdown, exit, starting)
  try {
    const started = await starting
    if (started.ok && !isStopping()) return started
    if (!started.ok && !isStopping()) {
      await shutdown.run('a part could not start')
      return started
    }
  } catch (fault) {
    await shutdown.run('a part could not start')
    if (!isStopping()) throw fault
  }
  // A signal came first: `exit` follows, and a refusal of what it has ended would explain nothing.
  return new Promise(() => undefined)
}

const waitFor = (url: string, say: Say): Promise<Outcome<void>> =>
  awaitDatabase(url, {
    waitMs: DATABASE_WAIT_MS,
    onWait: () => say('The database does not answer yet; waiting for it.'),
  })

// A database that goes away while the parts start is told by its name, as one that never came is.
async function unlessDatabaseGoes<T>(start: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
  try {
    return await start()
  } catch (fault) {
    if (isUnavailable(fault)) return databaseUnavailable()
    throw fault
  }
}

async function startAll(
  config: Config,
  options: { demo: boolean; log: LogSink; say: Say },
  shutdown: Shutdown,
): Promise<Outcome<Serving>> {
  const { say, log } = options
  const ground = await findGround(config, { isOwn: true })
  if (!ground.ok) return ground
  shutdown.onShutdown('database', () => ground.value.stop())
  if (ground.value.notice) say(ground.value.notice)
  const isThere = await waitFor(ground.value.runtimeUrl, say)
  if (!isThere.ok) return isThere
  if (ground.value.ownerUrl) {
    const migrated = await migrate(ground.value.ownerUrl)
    if (!migrated.ok) return migrated
  }
  const opened = await openInstallation(ground.value, { log, isServing: true })
  if (!opened.ok) return opened
  const installation = opened.value
  shutdown.onShutdown('installation', () => installation.close())
  const serving = await serveRoles(installation, config, new Set(ROLES), shutdown)
  if (!config.databaseUrl && serving.grpcUrl) await tellServing(config.dataDir, serving.grpcUrl)
  const httpUrl = serving.httpUrl ?? ''
  if (options.demo) {
    const callbackUrl = httpUrl
    const partners = await startSamplePartners(
      installation,
      { dataDir: config.dataDir, callbackUrl, say },
      shutdown,
    )
    if (!partners.ok) return partners
    const locations = partners.value.map((one) => one.locationId)
    await openSampleShop(installation, locations)
    for (const { name, url } of partners.value)
      say(`${name.padEnd(12)} ${url}/ledger (simulated partner)`)
  }
  await sayWhere(installation, serving, config, say)
  if (options.demo) tellOfSample(installation, say, shutdown)
  return accept(serving)
}

async function sayWhere(
  installation: Installation,
  serving: Serving,
  config: Config,
  say: Say,
): Promise<void> {
  const { path } = await withTransaction(installation.context.database, (tx) =>
    createLogin(tx, MERCHANT, { actor: 'person:owner', role: 'owner' }),
  )
  const origin = config.publicUrl ?? serving.httpUrl ?? ''
  say(`Shop API     ${origin}/store/products`)
  say(`API          ${origin}/docs`)
  say(`Metrics      ${origin}/metrics`)
  say(`gRPC         ${serving.grpcUrl ?? ''}`)
  say(`Console      ${origin}${path} (works once, for 15 minutes)`)
}

// Behind the start, not part of it: a shop that is slow to ship is up all the same.
function tellOfSample(installation: Installation, say: Say, shutdown: Shutdown): void {
  const stopping = new AbortController()
  const watching = watchSample(installation.context, say, stopping.signal).catch((fault: unknown) =>
    installation.context.log.warn({ err: fault }, 'the sample shop could not be watched'),
  )
  shutdown.onShutdown('sample watch', async () => {
    stopping.abort()
    await watching
  })
}

import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { copyBinaries, findBinaries } from './binaries.ts'
import type { Binaries } from './binaries.ts'
import { stopLeftovers } from './cluster-processes.ts'
import { chooseConnection, isSocket } from './connection.ts'
import type { Connection } from './connection.ts'
import type { DataHome } from './data-home.ts'
import { unlessMissing } from './durable-file.ts'
import { initCluster, removeDrafts } from './init-cluster.ts'
import { launchPostmaster } from './postmaster.ts'
import type { Postmaster } from './postmaster.ts'
import { ensureRoles } from './roles.ts'
import { ensureSecrets } from './secrets.ts'
import type { Passwords } from './secrets.ts'
import { canTraverse } from './unprivileged-user.ts'

/** What a start is asked for. */
export type StartOptions = {
  readonly dataDir: string
  /** Loopback TCP even where a Unix socket would do, for tools that know nothing else. */
  readonly forceTcp?: boolean
  /** False if the master key is kept elsewhere: then none is made beside the cluster. */
  readonly makesKey?: boolean
  readonly log?: (line: string) => void
}

/** A cluster that answers, until `stop`. */
export type RunningCluster = {
  readonly where: Connection
  readonly passwords: Passwords
  readonly stop: () => Promise<void>
}

type Server = { readonly place: DataHome; readonly binaries: Binaries; readonly where: Connection }

const PORT_ATTEMPTS = 5
const RESTARTS_MAX = 5
const RESTART_PAUSE_MS = 500
/** A server that ran this long was healthy: its next death is counted from one again. */
const HEALTHY_MS = 60_000

/** Brings the cluster of a claimed home up, whatever state its last owner left it in. */
export async function runCluster(
  place: DataHome,
  options: StartOptions,
): Promise<Outcome<RunningCluster>> {
  const log = options.log ?? (() => undefined)
  const binaries = await reachableBinaries(place)
  if (!binaries.ok) return binaries
  const cleared = await stopLeftovers(place, log)
  if (!cleared.ok) return cleared
  await removeDrafts(place)
  const hasCluster = (await unlessMissing(stat(join(place.cluster, 'PG_VERSION')))) !== undefined
  const existing = hasCluster ? place.cluster : undefined
  const passwords = await ensureSecrets(place.dataDir, existing, options.makesKey)
  if (!passwords.ok) return passwords
  if (!hasCluster) {
    log('Making the PostgreSQL cluster')
    const made = await initCluster(place, binaries.value, passwords.value.superuser)
    if (!made.ok) return made
  }
  const launched = await launchSomewhere(place, binaries.value, options.forceTcp ?? false)
  if (!launched.ok) return launched
  const { where, postmaster } = launched.value
  const supervised = supervise({ place, binaries: binaries.value, where }, postmaster, log)
  try {
    await ensureRoles(where, passwords.value)
  } catch (fault) {
    await supervised.stop()
    throw fault
  }
  return accept({ where, passwords: passwords.value, stop: supervised.stop })
}

async function reachableBinaries(place: DataHome): Promise<Outcome<Binaries>> {
  const found = await findBinaries()
  if (!found)
    return refuse(
      'database_unavailable',
      `npm installed no PostgreSQL for ${process.platform} ${process.arch}. Run npm ci without --omit=optional, or set HOLDFAST_DATABASE_URL.`,
    )
  const { user } = place
  if (!user || (await canTraverse(user, join(found.native, 'share', 'postgresql'))))
    return accept(found)
  return accept(await copyBinaries(found, place))
}

// A free port may be taken between our look and the server's bind: then another one is tried.
async function launchSomewhere(
  place: DataHome,
  binaries: Binaries,
  forceTcp: boolean,
): Promise<Outcome<{ where: Connection; postmaster: Postmaster }>> {
  for (let attempt = 1; ; attempt += 1) {
    const where = await chooseConnection(place.sockets, forceTcp)
    const launched = await launchPostmaster(place, binaries, where)
    if (launched.ok) return accept({ where, postmaster: launched.value })
    const isPortTaken = !isSocket(where) && /could not bind/.test(launched.refusal.detail)
    if (!isPortTaken || attempt === PORT_ATTEMPTS) return launched
  }
}

/** Starts the server again where it ends unasked; clients meet the same address. */
function supervise(
  server: Server,
  first: Postmaster,
  log: (line: string) => void,
): { readonly stop: () => Promise<void> } {
  let current = first
  const stopping = new AbortController()
  const abandon = (): void => current.abandon()
  // An owner that exits without stop() takes its server along; only kill -9 leaves one behind.
  process.on('exit', abandon)
  const watch = async (): Promise<void> => {
    let deaths = 0
    while (deaths <= RESTARTS_MAX) {
      const since = performance.now()
      await current.ended
      if (stopping.signal.aborted) return
      deaths = performance.now() - since > HEALTHY_MS ? 1 : deaths + 1
      log(`PostgreSQL ended unasked (${deaths} of ${RESTARTS_MAX}); starting it again`)
      const launched = await relaunch(server, log, stopping.signal)
      if (stopping.signal.aborted) return launched.ok ? launched.value.stop() : undefined
      if (launched.ok) current = launched.value
      else {
        log(launched.refusal.detail)
        await pause(RESTART_PAUSE_MS * deaths)
      }
    }
    log('PostgreSQL keeps ending; it is left down. Restart Holdfast once its log is understood.')
  }
  const watching = watch()
  const stop = async (): Promise<void> => {
    stopping.abort()
    await current.stop()
    // A restart may be under way: it gives up.
    await watching
    process.off('exit', abandon)
  }
  let stopped: Promise<void> | undefined
  return { stop: () => (stopped ??= stop()) }
}

async function relaunch(
  { place, binaries, where }: Server,
  log: (line: string) => void,
  giveUp: AbortSignal,
): Promise<Outcome<Postmaster>> {
  const cleared = await stopLeftovers(place, log)
  return cleared.ok ? launchPostmaster(place, binaries, where, giveUp) : cleared
}

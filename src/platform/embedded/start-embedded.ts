import { accept } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { prepareHome, refuseUnusable } from './data-home.ts'
import type { DataHome } from './data-home.ts'
import { claimOwnership } from './ownership.ts'
import { roleUrls, superuserUrl } from './roles.ts'
import { runCluster } from './run-cluster.ts'
import type { StartOptions } from './run-cluster.ts'

/** A running cluster of this process. `notice` is a line for the person who starts it. */
export type EmbeddedPostgres = {
  readonly ownerUrl: string
  readonly runtimeUrl: string
  /** The folder that holds the cluster: `dataDir` itself, or one below `/var/lib/holdfast`. */
  readonly dataDir: string
  readonly notice?: string
  /** Stops the server in order and lets go of the data directory. Safe to call twice. */
  stop(): Promise<void>
}

/**
 * Starts the PostgreSQL of `dataDir`, making it at first, and owns it until `stop`. Refuses with
 * `data_dir_busy` (`meta.pid`) while another live process owns it, and with `database_unavailable`
 * and the server's last log lines where it cannot run.
 */
export async function startEmbedded(options: StartOptions): Promise<Outcome<EmbeddedPostgres>> {
  const started = await startOwned(options)
  if (!started.ok) return started
  const { adminUrl: _, ...cluster } = started.value
  return accept(cluster)
}

/** Like `startEmbedded`, with the superuser's URL: for throwaway clusters, whose databases are cloned. */
export async function startOwned(
  options: StartOptions,
): Promise<Outcome<EmbeddedPostgres & { readonly adminUrl: string }>> {
  try {
    const place = await prepareHome(options.dataDir)
    return place.ok ? await startIn(place.value, options) : place
  } catch (fault) {
    return refuseUnusable(fault)
  }
}

async function startIn(
  place: DataHome,
  options: StartOptions,
): Promise<Outcome<EmbeddedPostgres & { readonly adminUrl: string }>> {
  const claimed = await claimOwnership(place.records, place.dataDir)
  if (!claimed.ok) return claimed
  const claim = claimed.value
  let stopServer = async (): Promise<void> => undefined
  const stop = async (): Promise<void> => {
    await stopServer()
    await claim.release()
  }
  let isUp = false
  try {
    const running = await runCluster(place, options)
    if (!running.ok) return running
    const { where, passwords } = running.value
    stopServer = running.value.stop
    await claim.announce(where)
    isUp = true
    return accept({
      ...roleUrls(where, passwords),
      adminUrl: superuserUrl(where, passwords),
      dataDir: place.home,
      ...(place.home !== place.dataDir && { notice: movedNotice(place) }),
      stop,
    })
  } finally {
    if (!isUp) await stop()
  }
}

function movedNotice({ dataDir, home, user }: DataHome): string {
  return `The user ${user?.name ?? ''}, as whom PostgreSQL runs, cannot enter ${dataDir}: the database is in ${home}, linked from ${dataDir}/postgres.`
}

import { userInfo } from 'node:os'
import { orThrow } from '#kernel/index.ts'
import { migrate, readConfig, secondInterrupt, silentLog } from '#platform/index.ts'
import type { Config } from '#platform/index.ts'
import { attachEmbedded } from '#platform/embedded/index.ts'
import type { Ground, Installation } from '#roles/index.ts'

const CONNECTIONS_MAX = 8
const STOPPING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Who gives the command, as the audit table names it: `cli:` and the user of the operating system. */
export function cliActor(): string {
  return `cli:${userInfo().username}`
}

/** The environment, or a thrown refusal (`config_invalid`) that names every problem. */
export function cliConfig(): Config {
  return orThrow(readConfig(process.env))
}

/**
 * Runs a command over the installation and closes it. Without a configured database that is the one
 * a running `up` owns, else the embedded one, started and migrated for as long as the command runs.
 * `signal` is aborted by Ctrl-C or SIGTERM; a second Ctrl-C ends the process at once.
 */
export async function withInstallation<T>(
  body: (installation: Installation, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const config = cliConfig()
  const { openInstallation } = await import('#roles/index.ts')
  return withGround(config, async (ground, signal) => {
    const installation = orThrow(
      await openInstallation(ground, { log: silentLog, connectionsMax: CONNECTIONS_MAX }),
    )
    try {
      return await body(installation, signal)
    } finally {
      await installation.close()
    }
  })
}

async function withGround<T>(
  config: Config,
  body: (ground: Ground, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { findGround } = await import('#roles/index.ts')
  const isOwn = !config.databaseUrl && !(await attachEmbedded(config.dataDir)).ok
  const stop = new AbortController()
  const isSecond = secondInterrupt()
  const onSignal = (signal: NodeJS.Signals): void => {
    if (isSecond(signal)) process.exit(1)
    stop.abort()
  }
  for (const signal of STOPPING) process.on(signal, onSignal)
  const ground = orThrow(await findGround(config))
  try {
    if (ground.notice) process.stderr.write(`${ground.notice}\n`)
    // A running `up` has migrated its database; one that nobody runs is ours to bring up to date.
    if (isOwn && ground.ownerUrl) orThrow(await migrate(ground.ownerUrl))
    return await body(ground, stop.signal)
  } finally {
    for (const signal of STOPPING) process.off(signal, onSignal)
    await ground.stop()
  }
}

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import type { Binaries } from './binaries.ts'
import { postmasterStatus } from './cluster-processes.ts'
import type { Connection } from './connection.ts'
import type { DataHome } from './data-home.ts'
import { unlessMissing } from './durable-file.ts'
import { serverArguments, serverEnvironment } from './server-settings.ts'

/** A running server of ours; `ended` settles when it does, however that came about. */
export type Postmaster = {
  readonly ended: Promise<void>
  /** Fast shutdown, after 5 s immediate (the next start recovers), after 2 s by force. Settles when the server has ended. */
  stop(): Promise<void>
  /** Asks for a fast shutdown without waiting, for a process that is about to exit. */
  abandon(): void
}

const POLL_MS = 5
/** Recovery after a crash replays at most `max_wal_size`: minutes on a slow disk, not more. */
const READY_MS = 600_000
const STOP_STEPS = [
  ['SIGINT', 5_000],
  ['SIGQUIT', 2_000],
  ['SIGKILL', 60_000],
] as const
const LOG_LINES = 12

/** Starts the server and waits until it takes connections or `giveUp`; refuses with its last log lines. */
export async function launchPostmaster(
  place: DataHome,
  binaries: Binaries,
  where: Connection,
  giveUp?: AbortSignal,
): Promise<Outcome<Postmaster>> {
  const child = await spawnServer(place, binaries, where)
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  if (await becomesReady(place, child, giveUp)) return accept(control(child, ended))
  await control(child, ended).stop()
  return refuse(
    'database_unavailable',
    `PostgreSQL does not start. The end of ${place.log}:\n${await lastLines(place.log)}`,
  )
}

async function spawnServer(
  place: DataHome,
  binaries: Binaries,
  where: Connection,
): Promise<ChildProcess> {
  await unlessMissing(rename(place.log, `${place.log}.1`))
  // A file, not a pipe: the server must be able to write when its owner has been killed.
  const log = await open(place.log, 'ax', 0o600)
  try {
    const child = spawn(
      join(binaries.native, 'bin', 'postgres'),
      serverArguments(place.cluster, where),
      {
        cwd: place.home,
        env: serverEnvironment(),
        // Its own session: a Ctrl-C in the terminal reaches us alone, and we stop it in order.
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
        ...(place.user && { uid: place.user.uid, gid: place.user.gid }),
      },
    )
    child.on('error', () => undefined)
    return child
  } finally {
    await log.close()
  }
}

async function becomesReady(
  place: DataHome,
  child: ChildProcess,
  giveUp?: AbortSignal,
): Promise<boolean> {
  const deadline = performance.now() + READY_MS
  while (child.pid !== undefined && isRunning(child) && performance.now() < deadline) {
    if (giveUp?.aborted) return false
    if ((await postmasterStatus(place.cluster, child.pid)) === 'ready') return true
    await pause(POLL_MS)
  }
  return false
}

function control(child: ChildProcess, ended: Promise<void>): Postmaster {
  child.unref()
  const stop = async (): Promise<void> => {
    child.ref()
    for (const [signal, patienceMs] of STOP_STEPS) {
      if (child.pid === undefined || !isRunning(child)) return
      child.kill(signal)
      const patience = new AbortController()
      const late = pause(patienceMs, undefined, { signal: patience.signal }).catch(() => undefined)
      await Promise.race([ended, late])
      patience.abort()
    }
  }
  return { ended, stop, abandon: () => void (isRunning(child) && child.kill('SIGINT')) }
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}

async function lastLines(path: string): Promise<string> {
  const text = (await unlessMissing(readFile(path, 'utf8'))) ?? ''
  return text.trimEnd().split('\n').slice(-LOG_LINES).join('\n')
}

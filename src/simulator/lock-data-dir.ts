import { realpath, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { accept, refuse, sha256Hex } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'

/** A held data directory. */
export type DataDirLock = { readonly release: () => Promise<void> }

/**
 * Makes this process the only writer of the ledgers: a Unix socket that dies with the process, so
 * that `kill -9` leaves no stale lock. Waits up to `waitMs` for a predecessor that is ending.
 */
export async function lockDataDir(dataDir: string, waitMs = 5_000): Promise<Outcome<DataDirLock>> {
  // Socket paths are limited to 107 bytes, hence a name of fixed length outside of the directory.
  const name = sha256Hex(await realpath(dataDir)).slice(0, 24)
  const path = join(tmpdir(), `holdfast-simulator-${name}.sock`)
  const deadline = performance.now() + waitMs
  while (true) {
    const server = await listen(path)
    if (server) return accept({ release: () => closed(server) })
    if (!(await isAlive(path))) await rm(path, { force: true })
    else if (performance.now() > deadline)
      return refuse('data_dir_busy', `another simulator writes to ${dataDir}`)
    else await pause(50)
  }
}

function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', (fault: NodeJS.ErrnoException) =>
      fault.code === 'EADDRINUSE' ? resolve(undefined) : reject(fault),
    )
    server.listen(path, () => {
      server.unref()
      resolve(server)
    })
  })
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}

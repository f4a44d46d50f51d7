import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { orThrow } from '#kernel/index.ts'
import { closeDatabase, openDatabase } from '#platform/index.ts'
import type { Database } from '#platform/index.ts'
import { attachEmbedded } from '#platform/embedded/index.ts'

const BIN = fileURLToPath(new URL('../../bin/holdfast.js', import.meta.url))

/** What a finished command said. */
export type Finished = {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A running `holdfast up`, with its log so far. */
export type Platform = {
  readonly process: ChildProcess
  readonly said: () => string
  readonly httpUrl: string
  readonly ledgers: readonly string[]
  readonly stop: () => Promise<number | null>
}

/** The environment of every process of one platform: its own folder, free ports. */
export function environmentOf(dataDir: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    HOLDFAST_DATA_DIR: dataDir,
    HOLDFAST_HTTP_PORT: '0',
    HOLDFAST_GRPC_PORT: '0',
    HOLDFAST_LOG_LEVEL: 'warn',
  }
}

/** A new data folder that is removed by the caller. */
export async function newDataDir(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-journey-'))
  // Root's database runs as another user, who must be able to come here: then it is killed here too.
  await chmod(folder, 0o711)
  return folder
}

/** Removes a data folder. */
export function removeDataDir(dataDir: string): Promise<void> {
  return rm(dataDir, { recursive: true, force: true })
}

/** Starts `holdfast up` and resolves when it has said where everything is. */
export async function startPlatform(
  dataDir: string,
  args: readonly string[] = [],
  settings: Readonly<Record<string, string>> = {},
): Promise<Platform> {
  const child = spawn(process.execPath, [BIN, 'up', ...args], {
    env: { ...environmentOf(dataDir), ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let said = ''
  const ready = new Promise<void>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      said += chunk.toString()
      if (/Console\s+http/.test(said)) resolve()
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    child.once('exit', (code) => reject(new Error(`up ended with ${code}: ${said}`)))
  })
  await ready
  return {
    process: child,
    said: () => said,
    httpUrl: /Shop API\s+(http\S+?)\/store/.exec(said)?.[1] ?? '',
    ledgers: [...said.matchAll(/(http\S+\/ledger)/g)].map((match) => match[1] ?? ''),
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
      const ended = once(child, 'exit')
      child.kill('SIGINT')
      await ended
      return child.exitCode
    },
  }
}

/** Runs one command to its end. */
export async function holdfast(dataDir: string, args: readonly string[]): Promise<Finished> {
  const child = spawn(process.execPath, [BIN, ...args], {
    env: environmentOf(dataDir),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  await once(child, 'close')
  return { code: child.exitCode, stdout, stderr }
}

/** Every process that works on a data folder: found by its environment or its working folder. */
export async function processesOf(dataDir: string): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const found = await Promise.all(
    pids.map(async (pid) => {
      if (pid === process.pid) return false
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      return environment.includes(`HOLDFAST_DATA_DIR=${dataDir}\0`) || command.includes(dataDir)
    }),
  )
  return pids.filter((_, index) => found[index])
}

/** SIGKILL to everything that works on a data folder, database and partners included. */
export async function killEverything(dataDir: string): Promise<number> {
  const pids = await processesOf(dataDir)
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended by itself between the look and the kill.
    }
  }
  return pids.length
}

/** Opens the database of a running platform as the runtime role. */
export async function withPlatformDatabase<T>(
  dataDir: string,
  body: (database: Database) => Promise<T>,
): Promise<T> {
  const { runtimeUrl } = orThrow(await attachEmbedded(dataDir))
  const database = openDatabase(runtimeUrl, { connectionsMax: 2 })
  try {
    return await body(database)
  } finally {
    await closeDatabase(database)
  }
}

import { execFile } from 'node:child_process'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { vi } from 'vitest'
import { z } from 'zod'
import { invariant } from '#kernel/index.ts'
import {
  holdfast,
  killEverything,
  newDataDir,
  removeDataDir,
  startPlatform,
} from '../journeys/platform.ts'
import type { Platform } from '../journeys/platform.ts'

const REHEARSAL = { HOLDFAST_DISPATCH_TIMING: 'rehearsal' }
const SCOPES = [
  'orders:submit',
  'orders:read',
  'orders:decide',
  'orders:change',
  'fulfillment:read',
  'fulfillment:operate',
  'catalog:write',
  'inventory:read',
  'inventory:write',
  'flags:write',
  'admin:read',
].join(',')
const CALL_MAX_MS = 60_000

const ledgerRow = z.object({
  partner: z.string(),
  fulfillment_id: z.string(),
  key: z.string(),
  lines: z.array(z.object({ sku: z.string(), qty: z.number() })),
  accepted_at: z.string(),
  shipped_at: z.string().nullable(),
  recalled_at: z.string().nullable(),
  forgotten_at: z.string().nullable(),
  acceptances: z.number(),
})
/** A row of a partner's own ledger. */
export type LedgerRow = z.output<typeof ledgerRow>

/** An answer over HTTP; `status` 0 means that none came. */
export type Answer = { readonly status: number; readonly body: Readonly<Record<string, unknown>> }

/** One platform with its three partners as real processes, driven from outside. */
export type WalkWorld = {
  readonly dataDir: string
  readonly call: (method: string, path: string, options?: CallOptions) => Promise<Answer>
  /** Every row of every partner's ledger. */
  readonly ledgers: () => Promise<readonly LedgerRow[]>
  readonly partnerUrls: () => readonly string[]
  readonly command: (args: readonly string[]) => ReturnType<typeof holdfast>
  readonly restart: () => Promise<void>
  /** SIGSTOP for so long: the platform's own process, or all of PostgreSQL. */
  readonly stall: (what: 'platform' | 'database', forMs: number) => Promise<void>
  /** Stops, copies our database aside, starts again. */
  readonly copyDatabase: () => Promise<void>
  /** Stops, puts the copy back, starts again. Nobody types `db fence`. */
  readonly restoreDatabase: () => Promise<void>
  readonly close: () => Promise<void>
}

export type CallOptions = {
  readonly body?: unknown
  readonly rawBody?: string
  readonly idempotencyKey?: string
  /** Without one the call is anonymous; `admin` is a key of every scope. */
  readonly as?: 'admin' | { readonly orderToken: string }
}

/** Starts it in a data folder of its own. */
export async function openWalkWorld(): Promise<WalkWorld> {
  const dataDir = await newDataDir()
  let platform = await start(dataDir)
  const made = await holdfast(dataDir, ['api-keys', 'create', 'walk', '--scopes', SCOPES, '--json'])
  invariant(made.code === 0, `an API key is made: ${made.stderr}`)
  const key = z.object({ key: z.string() }).parse(JSON.parse(made.stdout)).key
  const again = async (between: () => Promise<void>): Promise<void> => {
    await platform.stop()
    await between()
    platform = await start(dataDir)
  }
  const cluster = join(dataDir, 'postgres')
  const copy = join(dataDir, 'copy-of-postgres')
  return {
    dataDir,
    call: (method, path, options = {}) => call(platform.httpUrl, key, method, path, options),
    ledgers: async () => (await Promise.all(platform.ledgers.map(readLedger))).flat(),
    partnerUrls: () => platform.ledgers.map((url) => url.replace(/\/ledger$/, '')),
    command: (args) => holdfast(dataDir, args),
    restart: () => again(() => Promise.resolve()),
    stall: async (what, forMs) => {
      const pids = what === 'platform' ? [pidOf(platform)] : await databasePids(dataDir)
      for (const pid of pids) process.kill(pid, 'SIGSTOP')
      await new Promise((resolve) => setTimeout(resolve, forMs))
      for (const pid of pids) process.kill(pid, 'SIGCONT')
    },
    copyDatabase: () =>
      again(async () => {
        await rm(copy, { recursive: true, force: true })
        await copyFolder(cluster, copy)
      }),
    restoreDatabase: () =>
      again(async () => {
        await rm(cluster, { recursive: true, force: true })
        await copyFolder(copy, cluster)
      }),
    close: async () => {
      await killEverything(dataDir)
      await removeDataDir(dataDir)
    },
  }
}

/** As a person copies a folder: with its owners, modes and links. */
async function copyFolder(from: string, to: string): Promise<void> {
  await promisify(execFile)('cp', ['-a', from, to])
}

async function start(dataDir: string): Promise<Platform> {
  const platform = await startPlatform(dataDir, [], REHEARSAL)
  await vi.waitFor(
    async () => {
      const answer = await fetch(`${platform.httpUrl}/readyz`)
      invariant(answer.status === 200, 'the platform is ready')
    },
    { timeout: 60_000, interval: 50 },
  )
  return platform
}

function pidOf(platform: Platform): number {
  const { pid } = platform.process
  invariant(pid !== undefined, 'the platform runs')
  return pid
}

async function call(
  origin: string,
  key: string,
  method: string,
  path: string,
  { body, rawBody, idempotencyKey, as }: CallOptions,
): Promise<Answer> {
  const sent = rawBody ?? (body === undefined ? undefined : JSON.stringify(body))
  try {
    const response = await fetch(origin + path, {
      method,
      signal: AbortSignal.timeout(CALL_MAX_MS),
      headers: {
        ...(as === 'admin' ? { authorization: `Bearer ${key}` } : {}),
        ...(as !== undefined && as !== 'admin' ? { 'order-token': as.orderToken } : {}),
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
        ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(sent === undefined ? {} : { body: sent }),
    })
    const text = await response.text()
    const parsed: unknown = text === '' ? {} : JSON.parse(text)
    return { status: response.status, body: z.record(z.string(), z.unknown()).parse(parsed) }
  } catch (fault) {
    return { status: 0, body: { code: 'no_answer', detail: String(fault) } }
  }
}

async function readLedger(url: string): Promise<readonly LedgerRow[]> {
  const text = await (await fetch(url)).text()
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => ledgerRow.parse(JSON.parse(line)))
}

/** The postmaster and its children, found by the postmaster's pid file. */
async function databasePids(dataDir: string): Promise<readonly number[]> {
  const [first] = (await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')
  const postmaster = Number(first)
  const children: number[] = []
  for (const name of (await readdir('/proc')).filter((one) => /^\d+$/.test(one))) {
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')
    const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]
    if (Number(parent) === postmaster) children.push(Number(name))
  }
  return [postmaster, ...children]
}

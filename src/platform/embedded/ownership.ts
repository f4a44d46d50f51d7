import { mkdir, readFile, readdir, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { connection } from './connection.ts'
import type { Connection } from './connection.ts'
import { createFile, replaceFile, unlessMissing } from './durable-file.ts'
import { processIdentity, stateOf, thisProcess } from './process-identity.ts'

const ownerRecord = z.object({
  ...processIdentity.shape,
  dataDir: z.string(),
  claimedAt: z.iso.datetime(),
  state: z.enum(['starting', 'ready', 'released']),
  connection: connection.optional(),
})
/** Who owns a cluster: a process, since when, and where its cluster answers once it is ready. */
export type OwnerRecord = z.infer<typeof ownerRecord>

/** The right to run the cluster of one home, held until `release` or the death of the process. */
export type Claim = {
  /** Tells other processes where the cluster answers. */
  announce(where: Connection): Promise<void>
  release(): Promise<void>
}

type Numbered = { readonly number: number; readonly path: string; readonly record: OwnerRecord }

/** An owner on another machine or in another container is watched by the time stamp of its record. */
const HEARTBEAT_MS = 1000
const SILENCE_MS = 10_000

/**
 * Claims the cluster whose owner records lie below `records`, or refuses with `data_dir_busy` naming the live owner.
 *
 * Records are numbered and the highest one counts. Taking over is creating the next number with
 * link(2), which one of many contenders can do; the highest record is never removed, so that no
 * slow contender can win on what it read long ago.
 */
export async function claimOwnership(records: string, dataDir: string): Promise<Outcome<Claim>> {
  const folder = join(records, 'owner')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const identity = await thisProcess()
  for (;;) {
    const newest = await newestRecord(folder)
    if (newest && (await isLive(newest))) return busy(newest.record)
    const number = (newest?.number ?? 0) + 1
    const path = join(folder, `${number}.json`)
    const claimedAt = new Date().toISOString()
    const record: OwnerRecord = { ...identity, dataDir, claimedAt, state: 'starting' }
    if (!(await createFile(path, JSON.stringify(record)))) continue
    const highest = Math.max(...(await recordNumbers(folder)))
    if (highest > number) {
      await rm(path, { force: true })
      continue
    }
    await removeOlder(folder, number)
    return accept(holdClaim(path, record))
  }
}

/** The live owner that the records below `records` name, if there is one. */
export async function readLiveOwner(records: string): Promise<OwnerRecord | undefined> {
  const newest = await newestRecord(join(records, 'owner'))
  return newest && (await isLive(newest)) ? newest.record : undefined
}

function holdClaim(path: string, record: OwnerRecord): Claim {
  const heartbeat = setInterval(() => {
    const now = new Date()
    // A record that cannot be touched is replaced or gone at shutdown; either way there is no news.
    utimes(path, now, now).catch(() => undefined)
  }, HEARTBEAT_MS)
  heartbeat.unref()
  return {
    announce: (where) =>
      replaceFile(path, JSON.stringify({ ...record, state: 'ready', connection: where })),
    release: async () => {
      clearInterval(heartbeat)
      await replaceFile(path, JSON.stringify({ ...record, state: 'released' }))
    },
  }
}

async function isLive({ path, record }: Numbered): Promise<boolean> {
  if (record.state === 'released') return false
  const state = await stateOf(record)
  return state === 'elsewhere' ? isTouched(path) : state === 'alive'
}

async function isTouched(path: string): Promise<boolean> {
  const before = await touchedAt(path)
  const deadline = performance.now() + SILENCE_MS
  while (performance.now() < deadline) {
    await pause(HEARTBEAT_MS / 4)
    if ((await touchedAt(path)) !== before) return true
  }
  return false
}

async function touchedAt(path: string): Promise<number | undefined> {
  return (await unlessMissing(stat(path)))?.mtimeMs
}

async function newestRecord(folder: string): Promise<Numbered | undefined> {
  for (;;) {
    const number = Math.max(0, ...(await recordNumbers(folder)))
    if (number === 0) return undefined
    const path = join(folder, `${number}.json`)
    const text = await unlessMissing(readFile(path, 'utf8'))
    // A record vanishes only once a higher one stands: look again.
    if (text !== undefined) return { number, path, record: ownerRecord.parse(JSON.parse(text)) }
  }
}

async function recordNumbers(folder: string): Promise<number[]> {
  const names = (await unlessMissing(readdir(folder))) ?? []
  return names.filter((name) => /^[1-9]\d*\.json$/.test(name)).map((name) => Number.parseInt(name))
}

async function removeOlder(folder: string, number: number): Promise<void> {
  for (const name of await readdir(folder))
    // A contender whose draft goes away under it looks again and meets this claim.
    if (name.endsWith('.draft') || Number.parseInt(name) < number)
      await rm(join(folder, name), { force: true })
}

function busy(owner: OwnerRecord): { readonly ok: false; readonly refusal: Busy } {
  return refuse(
    'data_dir_busy',
    `The data directory ${owner.dataDir} belongs to process ${owner.pid} on ${owner.host}, since ${owner.claimedAt}. Stop it first.`,
    { meta: { pid: owner.pid, host: owner.host, since: owner.claimedAt } },
  )
}
type Busy = ReturnType<typeof refuse<'data_dir_busy'>>['refusal']

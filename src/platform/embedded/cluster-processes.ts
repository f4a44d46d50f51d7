import { execFile } from 'node:child_process'
import { readFile, readdir, readlink, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import type { DataHome } from './data-home.ts'
import { hasCode, unlessMissing } from './durable-file.ts'

const POLL_MS = 10
/** A postmaster may take this long for its shutdown checkpoint before it is cut short. */
const FAST_STOP_MS = 15_000
const IMMEDIATE_STOP_MS = 5000
const KILL_MS = 5000

/**
 * Stops what an owner that died left running on this cluster: a postmaster, lone backends, a
 * half-finished initdb. Only the holder of the claim calls it. A process counts as ours by its
 * program and its working folder, never by a pid alone, so a reused pid is left in peace.
 */
export async function stopLeftovers(
  place: DataHome,
  log: (line: string) => void,
): Promise<Outcome<void>> {
  const found = await processesOf(place)
  const postmaster = await recordedPostmaster(place.cluster)
  if (found.length > 0)
    log(`Stopping PostgreSQL processes without a live owner: ${found.join(', ')}`)
  const isOrphan = postmaster !== undefined && found.includes(postmaster)
  const isGone =
    found.length === 0 ||
    // Without its postmaster a backend has nobody to wait for, and initdb leaves nothing to keep.
    (isOrphan && (await signalUntilGone(place, 'SIGINT', FAST_STOP_MS, postmaster))) ||
    (await signalUntilGone(place, 'SIGQUIT', IMMEDIATE_STOP_MS)) ||
    (await signalUntilGone(place, 'SIGKILL', KILL_MS))
  if (!isGone)
    return refuse(
      'database_unavailable',
      `PostgreSQL processes of ${place.cluster} do not end: ${(await processesOf(place)).join(', ')}`,
    )
  await removeLocks(place, postmaster)
  return accept(undefined)
}

// PostgreSQL believes every pid in its lock files that exists: a stranger's, and a zombie's where a
// container has no init to reap it. Our server is known to be gone, so its locks go too.
async function removeLocks(place: DataHome, postmaster: number | undefined): Promise<void> {
  if (postmaster !== undefined && isKnownToSystem(postmaster))
    await rm(join(place.cluster, 'postmaster.pid'), { force: true })
  for (const name of await readdir(place.sockets))
    if (name.startsWith('.s.PGSQL.')) await rm(join(place.sockets, name), { force: true })
}

/** The status that the postmaster `pid` wrote to `postmaster.pid`, such as `ready`. */
export async function postmasterStatus(cluster: string, pid: number): Promise<string | undefined> {
  const lines = await pidFileLines(cluster)
  return Number(lines[0]) === pid ? lines[7]?.trim() : undefined
}

async function recordedPostmaster(cluster: string): Promise<number | undefined> {
  const pid = Number((await pidFileLines(cluster))[0])
  return Number.isInteger(pid) && pid > 1 ? pid : undefined
}

async function pidFileLines(cluster: string): Promise<string[]> {
  const text = await unlessMissing(readFile(join(cluster, 'postmaster.pid'), 'utf8'))
  return text?.split('\n') ?? []
}

async function signalUntilGone(
  place: DataHome,
  signal: NodeJS.Signals,
  patienceMs: number,
  only?: number,
): Promise<boolean> {
  const deadline = performance.now() + patienceMs
  const signalled = new Set<number>()
  while (performance.now() < deadline) {
    const pids = await processesOf(place)
    if (pids.length === 0) return true
    for (const pid of pids) {
      if (signalled.has(pid) || (only !== undefined && pid !== only)) continue
      signalled.add(pid)
      sendSignal(pid, signal)
    }
    await pause(POLL_MS)
  }
  return false
}

/** Sends a signal; false where no such process is left. */
export function sendSignal(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal)
  } catch (fault) {
    if (hasCode(fault, 'ESRCH')) return false
    throw fault
  }
}

function isKnownToSystem(pid: number): boolean {
  try {
    return sendSignal(pid, 0)
  } catch (fault) {
    return hasCode(fault, 'EPERM')
  }
}

/** The pids of PostgreSQL programs that work in this home: server, backends, initdb. */
async function processesOf(place: DataHome): Promise<number[]> {
  if (process.platform !== 'linux') return processesByPs(place)
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 1)
  const ours = await Promise.all(pids.map((pid) => worksIn(place, pid)))
  return pids.filter((_, index) => ours[index])
}

async function worksIn({ home, cluster }: DataHome, pid: number): Promise<boolean> {
  const [program, folder] = await Promise.all([linkOf(pid, 'exe'), linkOf(pid, 'cwd')])
  if (!['postgres', 'initdb'].includes(basename(program))) return false
  return folder === home || folder === cluster || folder.startsWith(`${cluster}.init-`)
}

// Empty for a process that has ended or belongs to another user.
async function linkOf(pid: number, name: 'exe' | 'cwd'): Promise<string> {
  try {
    return (await readlink(`/proc/${pid}/${name}`)).replace(/ \(deleted\)$/, '')
  } catch {
    return ''
  }
}

// Off Linux only server and initdb are found, by the `-D` of their command lines.
async function processesByPs({ cluster }: DataHome): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-axo', 'pid=,command='])
  return stdout
    .split('\n')
    .filter((line) => /\/(postgres|initdb) /.test(line))
    .filter((line) => line.includes(`-D ${cluster} `) || line.includes(`-D ${cluster}.init-`))
    .map((line) => Number.parseInt(line))
}

import { execFile } from 'node:child_process'
import { readFile, readlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { promisify } from 'node:util'
import { z } from 'zod'
import { invariant } from '#kernel/index.ts'
import { unlessMissing } from './durable-file.ts'

/**
 * A process that cannot be mistaken for another: a pid is reused, a pid with its start time is not.
 * `boot` and `pidNamespace` say where that pair means something; both are empty off Linux.
 */
export const processIdentity = z.object({
  pid: z.int().positive(),
  startTime: z.string().min(1),
  host: z.string(),
  boot: z.string(),
  pidNamespace: z.string(),
})
export type ProcessIdentity = z.infer<typeof processIdentity>

/** The identity of the process that asks. */
export async function thisProcess(): Promise<ProcessIdentity> {
  const startTime = await startTimeOf(process.pid)
  invariant(startTime, 'a running process has a start time')
  return { pid: process.pid, startTime, ...(await thisPlace()) }
}

/** Whether a recorded process runs, is gone, or lives where its pid says nothing to us. */
export async function stateOf(recorded: ProcessIdentity): Promise<'alive' | 'dead' | 'elsewhere'> {
  const here = await thisPlace()
  if (recorded.boot === here.boot && recorded.pidNamespace === here.pidNamespace) {
    if (recorded.boot === '' && recorded.host !== here.host) return 'elsewhere'
    return (await startTimeOf(recorded.pid)) === recorded.startTime ? 'alive' : 'dead'
  }
  // The same host after a reboot: nothing of before runs any more.
  return recorded.host === here.host && recorded.boot !== here.boot ? 'dead' : 'elsewhere'
}

async function thisPlace(): Promise<Omit<ProcessIdentity, 'pid' | 'startTime'>> {
  const boot = await unlessMissing(readFile('/proc/sys/kernel/random/boot_id', 'utf8'))
  const pidNamespace = await unlessMissing(readlink('/proc/self/ns/pid'))
  return { host: hostname(), boot: boot?.trim() ?? '', pidNamespace: pidNamespace ?? '' }
}

/** When a process started, in the units of its system; undefined where it has ended, reaped or not. */
export async function startTimeOf(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return startTimeByPs(pid)
  const stat = await unlessMissing(readFile(`/proc/${pid}/stat`, 'utf8'))
  // The command name may hold spaces and brackets: fields are counted behind its last bracket (proc(5)).
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  const isRunning = fields?.[0] !== 'Z' && fields?.[0] !== 'X'
  return isRunning ? fields?.[19] : undefined
}

async function startTimeByPs(pid: number): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(
      'ps',
      ['-o', 'state=,lstart=', '-p', String(pid)],
      {
        env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' },
      },
    )
    const [state = 'Z', ...started] = stdout.trim().split(/\s+/)
    return state.startsWith('Z') ? undefined : started.join(' ')
  } catch {
    return undefined
  }
}

import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'

/** The first wait before a process that ended is started again, and the longest, in milliseconds. */
const WAIT_MS = { first: 500, longest: 30_000 }

/** A process that is kept alive. */
export type KeptProcess = {
  /** The child of the first start; rejects where it could not be started. */
  readonly first: Promise<ChildProcess>
  /** Ends it for good, and resolves when it has ended. */
  readonly end: () => Promise<void>
}

/**
 * Starts a process again whenever it ends without being asked to. The wait before it doubles, and is the
 * first again once a start has outlived the longest. `onEnd` is told what ended, and how long the wait is.
 */
export function keepProcess(
  launch: () => Promise<ChildProcess>,
  onEnd: (why: string, waitMs: number) => void,
): KeptProcess {
  const stopping = new AbortController()
  const { signal } = stopping
  let waitMs = WAIT_MS.first
  let current = launch()
  const first = current

  const guard = async (): Promise<void> => {
    while (!signal.aborted) {
      const startedMs = performance.now()
      const why = await current.then(endOf).catch(String)
      if (signal.aborted) return
      if (performance.now() - startedMs > WAIT_MS.longest) waitMs = WAIT_MS.first
      onEnd(why, waitMs)
      await pause(waitMs, undefined, { signal }).catch(() => undefined)
      waitMs = Math.min(waitMs * 2, WAIT_MS.longest)
      if (!signal.aborted) current = launch()
    }
  }
  const guarding = guard()
  return {
    first,
    end: async () => {
      stopping.abort()
      const child = await current.catch(() => undefined)
      if (child) await endChild(child)
      await guarding
    },
  }
}

/** One that does not hear a SIGTERM, stopped or stuck, is killed after this, in milliseconds. */
const DEAF_MS = 3_000

async function endChild(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), DEAF_MS)
  await endOf(child)
  clearTimeout(timer)
}

async function endOf(child: ChildProcess): Promise<string> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.signalCode ?? `code ${child.exitCode}`
}

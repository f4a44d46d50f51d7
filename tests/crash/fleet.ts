// The dispatchers of the crash suite: whoever dies is started again at once.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Random } from '#kernel/index.ts'

const DISPATCHER = fileURLToPath(new URL('./dispatcher.fixture.ts', import.meta.url))

/** A dispatcher works at least this long before the driver kills it. */
const AT_WORK_MS = 700

/** Keeps so many dispatchers running and counts where they were killed. */
export function startFleet(
  plan: { readonly seed: number; readonly dispatchers: number; readonly pointRate: number },
  ground: { readonly url: string; readonly masterKey: Buffer; readonly random: Random },
) {
  const kills: Record<string, number> = {}
  const running = new Map<number, ChildProcess>()
  const ready = new Map<ChildProcess, number>()
  let started = 0
  let pointRate = plan.pointRate
  let isStopping = false
  const count = (point: string): void => {
    kills[point] = (kills[point] ?? 0) + 1
  }
  const start = (slot: number): void => {
    started += 1
    const args = [ground.url, ground.masterKey.toString('hex')]
    const child = spawn(
      process.execPath,
      [DISPATCHER, ...args, String(plan.seed + started), String(pointRate)],
      // It reads nothing: the end of its input tells it that the suite is gone.
      { stdio: ['pipe', 'pipe', 'inherit'] },
    )
    running.set(slot, child)
    let last = ''
    child.stdout.on('data', (chunk: Buffer) => {
      last = chunk.toString().trim()
      ready.set(child, performance.now())
    })
    child.once('exit', (_, signal) => {
      ready.delete(child)
      if (signal === 'SIGKILL' && last !== '') count(last === 'ready' ? 'anywhere' : last)
      if (!isStopping) start(slot)
    })
  }
  for (let slot = 0; slot < plan.dispatchers; slot += 1) start(slot)
  // One that has begun to work: a process killed while it starts has nothing to lose.
  const any = (): ChildProcess | undefined => {
    const since = performance.now() - AT_WORK_MS
    const atWork = [...running.values()].filter((child) => (ready.get(child) ?? since) < since)
    return atWork[Math.floor(ground.random() * atWork.length)]
  }
  return {
    kills,
    killOne: () => void any()?.kill('SIGKILL'),
    stallOne: (forMs: number) => {
      const one = any()
      one?.kill('SIGSTOP')
      setTimeout(() => one?.kill('SIGCONT'), forMs)
    },
    calm: () => {
      pointRate = 0
      for (const child of running.values()) child.kill('SIGKILL')
    },
    stop: async () => {
      isStopping = true
      await Promise.all(
        [...running.values()].map(async (child) => {
          if (child.exitCode !== null || child.signalCode !== null) return
          const ended = once(child, 'exit')
          child.kill('SIGKILL')
          await ended
        }),
      )
    },
  }
}

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { z } from 'zod'

const message = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('up'), ownerUrl: z.string(), dataDir: z.string() }),
  z.object({ kind: z.literal('refused'), code: z.string(), detail: z.string() }),
  z.object({ kind: z.literal('log'), line: z.string() }),
])
type Message = z.infer<typeof message>

const PROGRAM = `
const [index, dataDir] = process.argv.slice(1)
const { startEmbedded } = await import(index)
const say = (what) => process.send(what)
process.on('disconnect', () => process.exit())
const outcome = await startEmbedded({ dataDir, log: (line) => say({ kind: 'log', line }) })
say(outcome.ok ? { kind: 'up', ...outcome.value } : { kind: 'refused', ...outcome.refusal })
`

/** A process of its own that starts the engine, for tests that kill it. */
export type ChildOwner = {
  readonly pid: number
  /** What the start came to. */
  readonly outcome: Promise<Exclude<Message, { kind: 'log' }>>
  /** kill -9, settled when the process is gone. */
  kill(): Promise<void>
}

/** Starts the engine of `dataDir` in another process; `folder` holds its sources. */
export function startInChild(dataDir: string, folder = import.meta.dirname): ChildOwner {
  const index = pathToFileURL(join(folder, 'index.ts')).href
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, index, dataDir], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { PATH: process.env['PATH'] },
  })
  const gone = once(child, 'exit')
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await gone
  }
  return { pid: child.pid ?? 0, outcome: outcomeOf(child), kill }
}

function outcomeOf(child: ChildProcess): ChildOwner['outcome'] {
  return new Promise((resolve, reject) => {
    child.on('message', (raw) => {
      const said = message.parse(raw)
      if (said.kind !== 'log') resolve(said)
    })
    child.once('exit', () => reject(new Error('the child ended before its start did')))
  })
}

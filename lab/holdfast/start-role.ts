import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { Shutdown } from '#platform/index.ts'
import { endProcess, labEnvironment } from '../processes.ts'

const BIN = fileURLToPath(new URL('../../bin/holdfast.js', import.meta.url))
const READY_MAX_MS = 30_000

const serving = z.object({ http_url: z.string().nullable(), grpc_url: z.string().nullable() })

/** Where a process of the product listens; null where its roles do not. */
export type RoleProcess = z.infer<typeof serving>

/**
 * Starts `holdfast serve` with these roles as a process of its own, on free ports. Resolves when it has
 * said where it listens; throws with what it said where it ends instead. Ends with `shutdown`.
 */
export async function startRole(
  roles: string,
  settings: Readonly<Record<string, string>>,
  shutdown: Shutdown,
): Promise<RoleProcess> {
  const child = spawn(process.execPath, [BIN, 'serve', '--roles', roles, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: labEnvironment({
      HOLDFAST_HTTP_PORT: '0',
      HOLDFAST_GRPC_PORT: '0',
      HOLDFAST_DISPATCH_TIMING: 'rehearsal',
      HOLDFAST_LOG_LEVEL: 'silent',
      ...settings,
    }),
  })
  shutdown.onShutdown(`roles ${roles}`, () => endProcess(child))
  let said = ''
  let complained = ''
  child.stderr.on('data', (chunk: Buffer) => (complained += chunk.toString()))
  const signal = AbortSignal.timeout(READY_MAX_MS)
  const ended = once(child, 'exit', { signal }).then(() => {
    throw new Error(`the roles ${roles} ended: ${complained.trim()}`)
  })
  const ready = (async (): Promise<RoleProcess> => {
    for await (const chunk of child.stdout) {
      said += String(chunk)
      const read = serving.safeParse(parsed(said))
      if (read.success) return read.data
    }
    return ended
  })()
  return Promise.race([ready, ended])
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

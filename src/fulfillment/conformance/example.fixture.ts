// The examples as processes of their own, as whoever tries them runs them.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { z } from 'zod'
import { systemClock } from '#kernel/index.ts'
import { openOutbound } from '#platform/outbound/index.ts'
import { newWebhookSecret } from '#platform/webhooks/index.ts'

const EXAMPLES = fileURLToPath(new URL('../../../examples/', import.meta.url))

/** A directory that is gone when the test ends. */
export async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'example-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

/** Starts a script that prints its address; `kill` is kill -9. */
export async function startScript(name: string, args: readonly string[], secret = '') {
  const child = spawn(process.execPath, [join(EXAMPLES, name), ...args], {
    env: { HDP_SECRETS: `${newWebhookSecret()},${secret}` },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const gone = once(child, 'exit')
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await gone
  }
  onTestFinished(kill)
  const [line]: unknown[] = await once(createInterface(child.stdout), 'line')
  const { url } = z.object({ url: z.string() }).parse(JSON.parse(String(line)))
  const target = { partner: { url, allowPrivate: true }, secrets: [secret] }
  return { url, target, kill }
}

/** A client and the clock. */
export function world() {
  const outbound = openOutbound()
  onTestFinished(() => outbound.close())
  return { outbound, clock: systemClock }
}

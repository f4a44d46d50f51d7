import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { invariant } from '#kernel/index.ts'
import { newWebhookSecret } from '#platform/webhooks/index.ts'
import type { Shutdown } from '#platform/index.ts'
import { endProcess, labEnvironment } from '../processes.ts'

const MAIN = fileURLToPath(new URL('../../src/simulator/main.ts', import.meta.url))
const READY_MAX_MS = 20_000

/** The partners of the report, by id and name. */
export const PARTNERS = [
  { id: 'shipco', name: 'ShipCo' },
  { id: 'fastfreight', name: 'FastFreight' },
  { id: 'packlogic', name: 'PackLogic' },
] as const

/** A simulated partner that listens, and the secrets that it shares with its sender. */
export type LabPartner = {
  readonly id: string
  readonly name: string
  readonly url: string
  readonly secrets: { readonly dispatch: string; readonly event: string }
}

const ready = z.object({
  partners: z.array(z.object({ id: z.string(), url: z.string() })),
})

/**
 * Starts the three partners in a process of their own, each with a ledger below `folder`. They know a
 * key and refuse nothing else: an order that comes under a second key is taken again, as it was by the
 * partners of the report. Ends with `shutdown`, or with this process.
 */
export async function startPartners(
  folder: string,
  callbackUrl: string,
  shutdown: Shutdown,
): Promise<readonly LabPartner[]> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const named = PARTNERS.map(({ id, name }) => ({
    id,
    name,
    secrets: { dispatch: newWebhookSecret(), event: newWebhookSecret() },
  }))
  const file = join(folder, 'partners.json')
  const config = {
    dataDir: join(folder, 'ledgers'),
    callbackUrl,
    partners: named.map(({ id, name, secrets }) => ({
      id,
      name,
      dispatchSecret: secrets.dispatch,
      eventSecret: secrets.event,
      profile: { grade: 'A', order_keys: false },
    })),
  }
  await writeFile(file, JSON.stringify(config), { mode: 0o600 })
  const child = spawn(process.execPath, [MAIN, '--config', file], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: labEnvironment(),
  })
  shutdown.onShutdown('partners', () => endProcess(child))
  const signal = AbortSignal.timeout(READY_MAX_MS)
  const ended = once(child, 'exit', { signal }).then(() => {
    throw new Error('the partners ended before they listened')
  })
  const [message]: unknown[] = await Promise.race([once(child, 'message', { signal }), ended])
  const listening = ready.parse(message).partners
  return named.map((one) => {
    const url = listening.find(({ id }) => id === one.id)?.url
    invariant(url, 'every partner listens')
    return { id: one.id, name: one.name, secrets: one.secrets, url }
  })
}

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, open, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { accept, invariant, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { withTransaction } from '#platform/index.ts'
import type { Log, Shutdown } from '#platform/index.ts'
import { openOutbound } from '#platform/outbound/index.ts'
import { probePartner } from '#fulfillment/index.ts'
import { addLocation } from '#inventory/index.ts'
import { partnerSecrets, registerPartner } from '#partners/index.ts'
import type { SimulatorConfig } from '#simulator/index.ts'
import type { Installation } from './installation.ts'
import { keepProcess } from './keep-process.ts'
import { registeredPorts, SAMPLE_ACTOR, tellSecrets } from './sample-registrations.ts'

const MAIN = fileURLToPath(new URL('../simulator/main.ts', import.meta.url))
const NAMES = [
  { id: 'shipco', name: 'ShipCo' },
  { id: 'fastfreight', name: 'FastFreight' },
  { id: 'packlogic', name: 'PackLogic' },
] as const
/** What a person reads meanwhile. */
type Say = (line: string) => void

const READY_MAX_MS = 20_000
const PROBE_REQUEST_MAX_MS = 5_000

const readySchema = z.object({
  ready: z.literal(true),
  partners: z.array(z.object({ id: z.string(), url: z.string() })),
})
const secretsSchema = z.record(
  z.string(),
  z.object({ dispatchSecret: z.string(), eventSecret: z.string() }),
)

/** A simulated partner, where it listens and where its stock lies. */
export type SamplePartner = {
  readonly id: string
  readonly name: string
  readonly url: string
  readonly locationId: string
}

/**
 * Starts the three simulated partners in a process of their own and registers them, each with its
 * own stock location. They end with this process, however it ends, and start again where they end alone.
 */
export async function startSamplePartners(
  installation: Installation,
  options: { dataDir: string; callbackUrl: string; say: Say },
  shutdown: Shutdown,
): Promise<Outcome<readonly SamplePartner[]>> {
  const registeredAt = await registeredPorts(
    installation.context,
    NAMES.map((one) => one.id),
  )
  if (!registeredAt.ok) return registeredAt
  const folder = join(options.dataDir, 'simulator')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const secrets = await readSecrets(join(folder, 'secrets.json'))
  const config: SimulatorConfig = {
    dataDir: join(folder, 'ledgers'),
    callbackUrl: options.callbackUrl,
    partners: NAMES.map((one) => ({
      ...one,
      port: registeredAt.value.get(one.id) ?? 0,
      ...secretsOf(secrets, one.id),
    })),
  }
  const file = join(folder, 'config.json')
  await writeSecretFile(file, JSON.stringify(config))
  const started = await startProcess(file, join(folder, 'simulator.log'), {
    shutdown,
    log: installation.context.log,
    say: options.say,
  })
  if (!started.ok) return started
  const urlOf = (id: string): string => {
    const url = started.value.find((one) => one.id === id)?.url
    invariant(url, 'every configured partner listens')
    return url
  }
  // Whoever starts again listens there or not at all: another address would be another partner.
  const portOf = (id: string): number => Number(new URL(urlOf(id)).port)
  const fixed = config.partners.map((one) => ({ ...one, port: portOf(one.id) }))
  await writeSecretFile(file, JSON.stringify({ ...config, partners: fixed }))
  const partners: SamplePartner[] = []
  const registered = await Promise.all(
    NAMES.map(({ id, name }) => {
      const url = urlOf(id)
      const partner = { id, name, url, locationId: `loc-${id}` }
      partners.push(partner)
      const begun = registeredAt.value.has(id) ? {} : { secrets: secretsOf(secrets, id) }
      return register(installation, { ...partner, ...begun })
    }),
  )
  const refused = registered.find((one) => !one.ok)
  if (refused) return refused
  return accept(partners)
}

async function register(
  { context, masterKey }: Installation,
  partner: SamplePartner & {
    /** What a new one begins with; those of a known one are in the database, and may have been rotated. */
    secrets?: { dispatchSecret: string; eventSecret: string }
  },
): Promise<Outcome<unknown>> {
  const { id, name, url, locationId, secrets } = partner
  await withTransaction(context.database, (tx) =>
    addLocation(tx, context.merchant, { id: locationId, name: `${name} warehouse` }),
  )
  const registered = await registerPartner(context, masterKey, {
    id,
    name,
    url,
    allowPrivate: true,
    ...(secrets
      ? { secrets: { dispatch: secrets.dispatchSecret, event: secrets.eventSecret } }
      : {}),
    actor: SAMPLE_ACTOR,
  })
  if (!registered.ok) return registered
  if (!(await tellSecrets(context, masterKey, { id, url })))
    return refuse('internal', `The simulated partner ${id} did not take its secrets.`)
  if (registered.value.partner.gradedAt !== null) return registered
  // Measured once, here; after that the nightly canary looks.
  const outbound = openOutbound({ totalTimeoutMs: PROBE_REQUEST_MAX_MS })
  try {
    const deps = { context, secrets: partnerSecrets(context, masterKey), outbound }
    return await probePartner(deps, { partner: id, cause: 'start', actor: SAMPLE_ACTOR })
  } finally {
    await outbound.close()
  }
}

async function startProcess(
  configFile: string,
  logFile: string,
  { shutdown, log, say }: { readonly shutdown: Shutdown; readonly log: Log; readonly say: Say },
): Promise<Outcome<readonly { id: string; url: string }[]>> {
  let isUp = false
  const kept = keepProcess(
    () => launch(configFile, logFile),
    (why, waitMs) => {
      if (!isUp) return
      log.error({ why, wait_ms: waitMs }, 'the simulated partners ended and are started again')
      say(`The simulated partners ended (${why}) and are started again; see ${logFile}.`)
    },
  )
  shutdown.onShutdown('simulated partners', kept.end)
  const ready = await firstMessage(await kept.first)
  if (ready === undefined)
    return refuse('internal', `The simulated partners did not start; see ${logFile}.`)
  isUp = true
  return accept(readySchema.parse(ready).partners)
}

async function launch(configFile: string, logFile: string): Promise<ChildProcess> {
  const log = await open(logFile, 'a', 0o600)
  try {
    // A process group of its own: Ctrl-C in the terminal must not end the partners before us.
    const child = spawn(process.execPath, [MAIN, '--config', configFile], {
      stdio: ['ignore', log.fd, log.fd, 'ipc'],
      detached: true,
    })
    // Where there is no process to be had, this rejects.
    await once(child, 'spawn')
    return child
  } finally {
    await log.close()
  }
}

async function firstMessage(child: ChildProcess): Promise<unknown> {
  const timeout = AbortSignal.timeout(READY_MAX_MS)
  try {
    const winner: unknown[] = await Promise.race([
      once(child, 'message', { signal: timeout }),
      once(child, 'exit', { signal: timeout }).then(() => [undefined]),
    ])
    return winner[0]
  } catch {
    return undefined
  }
}

type Secrets = z.infer<typeof secretsSchema>

function secretsOf(secrets: Secrets, id: string): { dispatchSecret: string; eventSecret: string } {
  const found = secrets[id]
  invariant(found, 'every sample partner has secrets')
  return found
}

async function readSecrets(file: string): Promise<Secrets> {
  const known = await readFile(file, 'utf8').catch(() => undefined)
  if (known !== undefined) return secretsSchema.parse(JSON.parse(known))
  const secret = (): string => `whsec_${randomBytes(32).toString('base64')}`
  const made = Object.fromEntries(
    NAMES.map(({ id }) => [id, { dispatchSecret: secret(), eventSecret: secret() }]),
  )
  await writeSecretFile(file, JSON.stringify(made))
  return made
}

async function writeSecretFile(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

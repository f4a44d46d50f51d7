// The dispatcher's side of HDP/1 for the tests, written from the protocol page alone.
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { onTestFinished } from 'vitest'
import { base32, canonicalJson, invariant, sha256, sha256Hex } from '#kernel/index.ts'
import type { CanonicalValue } from '#kernel/index.ts'
import { startSimulator } from './start-simulator.ts'
import type { SimulatorConfig } from './config.ts'

export const DISPATCH_SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
export const EVENT_SECRET = `whsec_${Buffer.alloc(32, 9).toString('base64')}`
export const PATH = '/holdfast/v1/dispatches'

type Fields = { readonly [key: string]: CanonicalValue }

/** A key of the right shape for any name. */
export const keyOf = (name: string, prefix = 'hfd1'): string =>
  `${prefix}-${base32(sha256(name).subarray(0, 20))}`

/** One order; `over` replaces fields. */
export function order(name: string, over: Fields = {}): Fields {
  return {
    fulfillment_id: `ful_${name}`,
    order_key: keyOf(name, 'hfo1'),
    hold_for_review: false,
    review_decision_id: `rvd_${name}`,
    ship_to: { name: 'Ada Löwe', country: 'GB' },
    lines: [{ line_id: '1', sku: 'ELEC-TV', qty: 2 }],
    ship_by: '2026-02-10T23:59:59Z',
    ...over,
  }
}

/** A dispatch body with a right content digest; `over` replaces fields after that. */
export function dispatch(
  key: string,
  orders: readonly Fields[],
  over: Fields & { batch?: string } = {},
): Fields & { key: string; content_sha256: string } {
  const batch = over.batch ?? `btc_${key.slice(5, 15)}`
  const content = { schema: 'holdfast.dispatch/1', type: 'dispatch.create', batch }
  const named = orders.map((one) =>
    Object.fromEntries(Object.entries(one).filter(([field]) => field !== 'order_key')),
  )
  return {
    ...content,
    key,
    content_sha256: sha256Hex(canonicalJson({ ...content, orders: named })),
    revision: 1,
    supersedes: null,
    sequence: 1,
    order_count: orders.length,
    orders,
    ...over,
  }
}

export type Answered = {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: Record<string, unknown>
}

/** Sends bytes as HDP/1 does; `headers` replaces or, with an empty string, leaves out a header. */
export async function send(
  url: string,
  body: string | Buffer,
  key: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answered> {
  const bytes = Buffer.from(body)
  const all = {
    'content-type': 'application/json',
    'content-digest': `sha-256=:${sha256(bytes).toString('base64')}:`,
    'idempotency-key': `"${key}"`,
    'holdfast-protocol': '1',
    'holdfast-fence-epoch': '1',
    ...signature(`msg_${key.slice(5)}`, bytes.toString()),
    ...headers,
  }
  const sent = Object.entries(all).filter(([, value]) => value !== '')
  return answered(await fetch(url, { method: 'POST', headers: sent, body: bytes }))
}

/** A signed GET. */
export async function look(url: string): Promise<Answered> {
  return answered(await fetch(url, { headers: signature('msg_lookup', '') }))
}

export function signature(id: string, body: string, secret = DISPATCH_SECRET, at = new Date()) {
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'webhook-signature': new Webhook(secret).sign(id, at, body),
  }
}

async function answered(response: Response): Promise<Answered> {
  const text = await response.text()
  const parsed: unknown = JSON.parse(text)
  return { status: response.status, headers: response.headers, text, body: fields(parsed) }
}

export function fields(value: unknown): Record<string, unknown> {
  invariant(typeof value === 'object' && value !== null, 'an answer is an object')
  return { ...value }
}

export type SentEvent = {
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly body: Record<string, unknown>
}

/** A receiver of events that answers as `statusFor` says and keeps every attempt in order. */
export async function receiver(statusFor: (event: SentEvent) => number = () => 204) {
  const attempts: SentEvent[] = []
  const taken: SentEvent[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      const event = { headers: request.headers, text, body: fields(JSON.parse(text)) }
      attempts.push(event)
      const status = statusFor(event)
      if (status < 300) taken.push(event)
      response.writeHead(status).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close().closeAllConnections()
  })
  const address = server.address()
  invariant(address !== null && typeof address === 'object', 'the receiver listens')
  return { url: `http://127.0.0.1:${address.port}`, attempts, taken }
}

/** A directory that is gone when the test ends. */
export async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'simulator-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

/** A configuration of one partner, ShipCo, quick to retry. */
export function configOf(dataDir: string, callbackUrl: string): SimulatorConfig {
  return {
    dataDir,
    callbackUrl,
    retry: { minMs: 1, maxMs: 5, slowMs: 20 },
    partners: [
      {
        id: 'shipco',
        name: 'ShipCo',
        port: 0,
        dispatchSecret: DISPATCH_SECRET,
        eventSecret: EVENT_SECRET,
      },
    ],
  }
}

/** One running partner; `stop` may be called by the test or is called at its end. */
export async function partner(options: Partial<SimulatorConfig> = {}) {
  const dataDir = options.dataDir ?? (await folder())
  const callbackUrl = options.callbackUrl ?? (await receiver()).url
  const log: string[] = []
  const config = { ...configOf(dataDir, callbackUrl), ...options }
  const simulator = await startSimulator(config, (line) => log.push(line))
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => (stopped ??= simulator.stop())
  onTestFinished(stop)
  const url = simulator.partners[0]?.url ?? ''
  const post = (value: Fields & { key: string }, headers: Readonly<Record<string, string>> = {}) =>
    send(url + PATH, canonicalJson(value), value.key, headers)
  const summary = async () => answered(await fetch(`${url}/ledger/summary`))
  return { url, dataDir, log, stop, post, summary, rows: () => rowsOf(url) }
}

async function rowsOf(url: string): Promise<Record<string, unknown>[]> {
  const text = await (await fetch(`${url}/ledger`)).text()
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => fields(JSON.parse(line)))
}

/** Gives the partner a fault script. */
export async function putFaults(url: string, script: unknown): Promise<Answered> {
  return answered(await fetch(`${url}/faults`, { method: 'PUT', body: JSON.stringify(script) }))
}

/** Recalls orders of a dispatch by name. */
export const recallOf = (url: string, key: string, names: readonly string[], over: object = {}) => {
  const recallKey = keyOf(`recall of ${key}`)
  const body = canonicalJson({
    schema: 'holdfast.recall/1',
    type: 'dispatch.recall',
    key: recallKey,
    recalls: key,
    order_keys: names.map((name) => keyOf(name, 'hfo1')),
    reason: 'customer cancelled',
    ...over,
  })
  return send(`${url}${PATH}/${key}/recall`, body, recallKey)
}

/** Changes a setting of the partner. */
export async function put(url: string, value: unknown): Promise<Answered> {
  return answered(await fetch(url, { method: 'PUT', body: JSON.stringify(value) }))
}

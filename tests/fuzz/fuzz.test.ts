import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { orThrow } from '#kernel/index.ts'
import { createApiKey } from '#access/index.ts'
import { registerPartner } from '#partners/index.ts'
import { SCOPES, transact } from '#platform/index.ts'
import { createTestContext, createTestDatabase } from '../database.ts'
import type { TestDatabase } from '../database.ts'
import { stockShop, TEST_MASTER_KEY } from '../shop.ts'
import { makeRequest, operationsOf } from './fuzz-request.ts'
import type { FuzzRequest, FuzzShop } from './fuzz-request.ts'

// Replayed by `FUZZ_SEED=… FUZZ_REQUESTS=… npm run test:fuzz`: requests are made from seed and number.
const SEED = Number(process.env['FUZZ_SEED'] ?? '1')
const REQUESTS = Number(process.env['FUZZ_REQUESTS'] ?? '3000')
const LANES = 4
/** A request without an answer after so long hangs; our own longest wait is below it. */
const ANSWER_MS = 45_000
const FIXTURE = fileURLToPath(new URL('../journeys/serve.fixture.ts', import.meta.url))

let db: TestDatabase
let folder: string
let child: ChildProcess
let base: string
let shop: FuzzShop
let logged = ''
beforeAll(async () => {
  db = await createTestDatabase()
  const context = await createTestContext(db.database)
  await stockShop(context, { A: 100_000, B: 100_000 })
  const partner = { id: 'shipco', url: 'http://127.0.0.1:9', allowPrivate: true, actor: 'test' }
  orThrow(await registerPartner(context, TEST_MASTER_KEY, partner))
  folder = await mkdtemp(join(tmpdir(), 'holdfast-fuzz-'))
  await writeFile(join(folder, 'master.key'), TEST_MASTER_KEY, { mode: 0o600 })
  base = await startServer()
  const maker = { actor: 'person:fuzz', scopes: new Set(SCOPES) }
  const { key } = orThrow(
    await transact(context.database, (tx) =>
      createApiKey(tx, 'main', { name: 'fuzz', scopes: SCOPES, maker }),
    ),
  )
  shop = await seedShop({ authorization: `Bearer ${key}` })
})
afterAll(async () => {
  if (child.exitCode === null && child.signalCode === null) {
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }
  await db.drop()
  await rm(folder, { recursive: true, force: true })
})

async function startServer(): Promise<string> {
  child = spawn(process.execPath, [FIXTURE], {
    env: {
      ...process.env,
      HOLDFAST_DATABASE_URL: db.runtimeUrl,
      HOLDFAST_MASTER_KEY_FILE: join(folder, 'master.key'),
      HOLDFAST_HTTP_PORT: '0',
      HOLDFAST_GRPC_PORT: '0',
      HOLDFAST_LOG_LEVEL: 'error',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stderr?.on(
    'data',
    (bytes: Buffer) => (logged = `${logged}${bytes.toString()}`.slice(-8_000)),
  )
  let said = ''
  for await (const chunk of child.stdout ?? []) {
    said += String(chunk)
    if (said.includes('\n')) break
  }
  return z.object({ httpUrl: z.string() }).parse(JSON.parse(said)).httpUrl
}

/** Orders in the shop, and every id that its lists show: sorted by kind, so that choices repeat. */
async function seedShop(authorization: Record<string, string>): Promise<FuzzShop> {
  const tokens: string[] = []
  const ids = ['A', 'B', 'shipco', 'loc-shipco']
  for (let number = 0; number < 12; number += 1) {
    const order = {
      currency: 'GBP',
      country: number % 3 === 0 ? 'FR' : 'GB',
      order_id: `fuzz-${number}`,
      lines: [{ sku: 'A', qty: 1 }],
    }
    const response = await fetch(`${base}/store/orders`, {
      method: 'POST',
      headers: {
        ...authorization,
        'content-type': 'application/json',
        'idempotency-key': `seed-${number}`,
      },
      body: JSON.stringify(order),
    })
    const placed = z.object({ id: z.string(), token: z.string().optional() })
    const { id, token } = placed.parse(await response.json())
    ids.push(id, `fuzz-${number}`)
    if (token) tokens.push(token)
  }
  const operations = operationsOf(await (await fetch(`${base}/openapi.json`)).text())
  for (const { method, path } of operations) {
    if (method !== 'GET' || path.includes('{') || path.includes('stream')) continue
    const text = await (await fetch(base + path, { headers: authorization })).text()
    // Not the keys: ours must not be revoked while it is used.
    ids.push(...(text.match(/\b(?!key_)[a-z]{3,4}_[0-9a-v]{26}\b/g) ?? []).slice(0, 6))
  }
  const withToken = { ...authorization, 'order-token': tokens[0] ?? '' }
  const credentials = [authorization, authorization, withToken, withToken, {}]
  return { operations, ids: [...new Set(ids)], credentials }
}

type Seen = { readonly status: number; readonly text: string }

async function send(request: FuzzRequest): Promise<Seen | 'hangs'> {
  const ending = new AbortController()
  const timer = setTimeout(() => ending.abort(), ANSWER_MS)
  try {
    const { method, headers, body } = request
    const response = await fetch(base + request.url, {
      method,
      headers,
      redirect: 'manual',
      signal: ending.signal,
      ...(body === undefined ? {} : { body }),
    })
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true
    if (isStream) await response.body?.cancel()
    return { status: response.status, text: isStream ? '' : await response.text() }
  } catch (fault) {
    if (ending.signal.aborted) return 'hangs'
    // A connection that the server ended without an answer is as bad as an answer of 500.
    return { status: 599, text: String(fault) }
  } finally {
    clearTimeout(timer)
  }
}

/** What is wrong with an answer, or undefined. */
function faultOf(request: FuzzRequest, seen: Seen | 'hangs'): string | undefined {
  if (seen === 'hangs') return `no answer within ${ANSWER_MS} ms`
  if (seen.status === 503) {
    return /"code":"(?:overloaded|database_unavailable|fulfillment_unavailable)"/.test(seen.text)
      ? undefined
      : '503 without a code that says what is away'
  }
  if (seen.status >= 500) return `status ${seen.status}`
  if (request.isForbidden && seen.status < 300) return `${seen.status} for what the schema forbids`
  if (seen.status >= 400 && !/"code":"[a-z_]+"/.test(seen.text) && !seen.text.startsWith('<!')) {
    return `status ${seen.status} without a code`
  }
  return undefined
}

test('nothing that a caller sends is a fault of ours, is taken against its schema, or hangs', async () => {
  const faults: string[] = []
  const called = new Set<string>()
  const succeeded = new Set<string>()
  let next = 0
  const lane = async (): Promise<void> => {
    for (let number = next++; number < REQUESTS && faults.length < 20; number = next++) {
      const request = makeRequest(shop, SEED, number)
      const { operation, isForbidden: _, ...shown } = request
      const seen = await send(request)
      const name = `${operation.method} ${operation.path}`
      called.add(name)
      if (seen !== 'hangs' && seen.status < 300) succeeded.add(name)
      const fault = faultOf(request, seen)
      if (fault === undefined) continue
      const answer = seen === 'hangs' ? '' : seen.text.slice(0, 300)
      faults.push(
        `FUZZ_SEED=${SEED} FUZZ_REQUESTS=${number + 1} npm run test:fuzz: ${fault}\n  ${JSON.stringify(shown).slice(0, 1_500)}\n  ${answer}`,
      )
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  if (faults.length > 0) throw new Error(`${faults.join('\n')}\n${logged.slice(-4_000)}`)
  // A fuzzer that met only refusals at the door would pass whatever stands behind it.
  const isShort = REQUESTS < 3_000
  expect(isShort || called.size === shop.operations.length).toBe(true)
  expect(isShort || succeeded.size > shop.operations.length / 3).toBe(true)
  console.log(
    `${REQUESTS} requests of seed ${SEED}: ${called.size} operations, ${succeeded.size} of them with success`,
  )
})

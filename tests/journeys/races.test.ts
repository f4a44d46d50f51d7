import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { invariant, orThrow, seededRandom } from '#kernel/index.ts'
import { read } from '#platform/index.ts'
import { inventoryChecks, listStock } from '#inventory/index.ts'
import { registerPartner } from '#partners/index.ts'
import { createTestContext, createTestDatabase } from '../database.ts'
import type { TestDatabase } from '../database.ts'
import { stockShop, TEST_MASTER_KEY } from '../shop.ts'

const FIXTURE = fileURLToPath(new URL('serve.fixture.ts', import.meta.url))
const PROCESSES = 4
const serving = z.object({ httpUrl: z.string(), grpcUrl: z.string() })
const placed = z.object({ id: z.string(), order_number: z.string() })

let db: TestDatabase
let folder: string
const servers: { process: ChildProcess; url: string }[] = []
beforeAll(async () => {
  db = await createTestDatabase()
  const stock = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`S${n}`, 100_000]))
  const context = await createTestContext(db.database)
  await stockShop(context, { ...stock, LAST: 1, FLASH: 100, SAME: 5 })
  const partner = { id: 'shipco', url: 'http://127.0.0.1:9', allowPrivate: true, actor: 'test' }
  orThrow(await registerPartner(context, TEST_MASTER_KEY, partner))
  folder = await mkdtemp(join(tmpdir(), 'holdfast-races-'))
  await writeFile(join(folder, 'master.key'), TEST_MASTER_KEY, { mode: 0o600 })
  servers.push(...(await Promise.all(Array.from({ length: PROCESSES }, startServer))))
})
afterAll(async () => {
  await Promise.all(
    servers.map(async ({ process: child }) => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    }),
  )
  await db.drop()
  await rm(folder, { recursive: true, force: true })
})

async function startServer(): Promise<{ process: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [FIXTURE], {
    env: {
      ...process.env,
      HOLDFAST_DATABASE_URL: db.runtimeUrl,
      HOLDFAST_MASTER_KEY_FILE: join(folder, 'master.key'),
      HOLDFAST_HTTP_PORT: '0',
      HOLDFAST_GRPC_PORT: '0',
      HOLDFAST_LOG_LEVEL: 'error',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line]: unknown[] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  return { process: child, url: serving.parse(JSON.parse(String(line))).httpUrl }
}

type Answer = { status: number; text: string; replayed: boolean }

async function buy(
  server: number,
  key: string,
  lines: readonly { sku: string; qty: number }[],
): Promise<Answer> {
  const answer = await fetch(`${servers[server % PROCESSES]?.url}/store/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify({ currency: 'GBP', country: 'GB', lines }),
  })
  const text = await answer.text()
  return {
    status: answer.status,
    text,
    replayed: answer.headers.get('idempotent-replayed') === 'true',
  }
}

const reserved = async (sku: string) =>
  (await listStock(db.database, 'main', { sku, limit: 1 }))[0]?.reserved
const broken = async () =>
  (
    await Promise.all(
      inventoryChecks.map((check) => read(db.database, check.find, { merchant: 'main' })),
    )
  ).flat()
const tally = (answers: readonly Answer[]): Record<number, number> => {
  const counts: Record<number, number> = {}
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

describe('four server processes over one database', () => {
  test('200 buyers of one unit get one order, and the counter equals the ledger', async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, n) => buy(n, `last-${n}`, [{ sku: 'LAST', qty: 1 }])),
    )
    expect(tally(answers)).toEqual({ 201: 1, 409: 199 })
    expect(await reserved('LAST')).toBe(1)
    expect(await broken()).toEqual([])
  })

  test('five identical requests in flight are one order and five equal answers', async () => {
    const answers = await Promise.all(
      Array.from({ length: 5 }, (_, n) => buy(n, 'the-same', [{ sku: 'SAME', qty: 5 }])),
    )
    expect(tally(answers)).toEqual({ 201: 5 })
    expect(new Set(answers.map((answer) => answer.text)).size).toBe(1)
    expect(answers.filter((answer) => !answer.replayed)).toHaveLength(1)
    expect(await reserved('SAME')).toBe(5)
  })

  test('under load over the same rows no deadlock reaches a caller', async () => {
    const random = seededRandom(11)
    const sku = () => `S${Math.floor(random() * 40)}`
    const wishes = Array.from({ length: 1_200 }, (_, n) => ({
      n,
      lines: Array.from({ length: 1 + Math.floor(random() * 8) }, () => ({ sku: sku(), qty: 1 })),
    }))
    const answers: Answer[] = []
    const buyers = Array.from({ length: 64 }, async () => {
      for (let wish = wishes.pop(); wish; wish = wishes.pop())
        answers.push(await buy(wish.n, `load-${wish.n}`, wish.lines))
    })
    await Promise.all(buyers)
    expect(tally(answers)).toEqual({ 201: 1_200 })
    expect(await broken()).toEqual([])
  })

  test('a process killed in the middle costs nothing to buyers who repeat their key', async () => {
    const victim = servers[3]
    invariant(victim, 'four servers run')
    const insist = async (n: number): Promise<Answer> => {
      for (let attempt = 0; ; attempt += 1) {
        try {
          const answer = await buy(attempt === 0 ? n : 0, `flash-${n}`, [{ sku: 'FLASH', qty: 1 }])
          if (n === 40 && attempt === 0) victim.process.kill('SIGKILL')
          return answer
        } catch {
          invariant(attempt < 5, 'another server answers')
        }
      }
    }
    const answers = await Promise.all(Array.from({ length: 300 }, (_, n) => insist(n)))
    const orders = new Set(
      answers
        .filter((one) => one.status === 201)
        .map((one) => placed.parse(JSON.parse(one.text)).id),
    )
    expect(tally(answers)).toEqual({ 201: 100, 409: 200 })
    expect(orders.size).toBe(100)
    expect(await reserved('FLASH')).toBe(100)
    expect(await broken()).toEqual([])
  })
})

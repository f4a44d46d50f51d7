import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, vi } from 'vitest'
import { z } from 'zod'
import { orThrow } from '#kernel/index.ts'
import { fulfillmentChecks } from '#fulfillment/index.ts'
import { inventoryChecks } from '#inventory/index.ts'
import { orderChecks } from '#orders/index.ts'
import { gradePartner, registerPartner } from '#partners/index.ts'
import { read, withTransaction } from '#platform/index.ts'
import { recordStock } from '#inventory/index.ts'
import { newWebhookSecret } from '#platform/webhooks/index.ts'
import { startSimulator } from '#simulator/index.ts'
import { createTestContext, createTestDatabase } from '../database.ts'
import { stockShop, TEST_MASTER_KEY } from '../shop.ts'

const FIXTURE = fileURLToPath(new URL('serve.fixture.ts', import.meta.url))
const PARTNERS = ['shipco', 'packlogic'] as const
const serving = z.object({ httpUrl: z.string() })
const placedBody = z.object({ id: z.string(), token: z.string() })
const ledgerRow = z.object({
  fulfillment_id: z.string(),
  partner: z.string(),
  recalled_at: z.string().nullable(),
  shipped_at: z.string().nullable(),
})

/** An order as its buyer holds it. */
export type Bought = z.infer<typeof placedBody>

/**
 * Two server processes with every role over one database, and two simulated partners. `A` lies with
 * shipco, `B` with packlogic.
 */
export async function openCancelWorld() {
  const db = await createTestDatabase({ connectionsMax: 10 })
  const context = await createTestContext(db.database)
  await stockShop(context, { A: 10_000, B: 0 }, ['loc-shipco', 'loc-packlogic'])
  const lines = [{ sku: 'B', quantity: 10_000, locationId: 'loc-packlogic' }]
  await withTransaction(db.database, (tx) =>
    recordStock(tx, 'main', { id: 'stock-b', kind: 'receive', lines }, 'test'),
  )
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-cancel-'))
  await writeFile(join(folder, 'master.key'), TEST_MASTER_KEY, { mode: 0o600 })
  const servers = await Promise.all([1, 2].map(() => startServer(db.runtimeUrl, folder)))
  const [first] = servers
  const secrets = PARTNERS.map(() => ({ dispatch: newWebhookSecret(), event: newWebhookSecret() }))
  const simulator = await startSimulator(
    {
      dataDir: join(folder, 'partners'),
      callbackUrl: first?.url ?? '',
      retry: { minMs: 5, maxMs: 20, slowMs: 50 },
      partners: PARTNERS.map((id, index) => ({
        id,
        name: id,
        port: 0,
        dispatchSecret: secrets[index]?.dispatch ?? '',
        eventSecret: secrets[index]?.event ?? '',
      })),
    },
    () => undefined,
  )
  const urls = new Map(PARTNERS.map((id, index) => [id, simulator.partners[index]?.url ?? '']))
  for (const [index, id] of PARTNERS.entries()) {
    const partner = { id, url: urls.get(id) ?? '', allowPrivate: true, actor: 'test' }
    const secret = secrets[index]
    orThrow(
      await registerPartner(context, TEST_MASTER_KEY, {
        ...partner,
        ...(secret ? { secrets: secret } : {}),
      }),
    )
    orThrow(
      await gradePartner(context, { partner: id, actor: 'test', reason: 'probe', grade: 'A' }),
    )
  }
  let count = 0
  const call = async (path: string, init: RequestInit = {}, server = 0) => {
    const answer = await fetch(`${servers[server % servers.length]?.url}${path}`, init)
    const text = await answer.text()
    const body: Record<string, unknown> = JSON.parse(text)
    return { status: answer.status, body }
  }
  const json = { 'content-type': 'application/json' }
  const query = async (text: string, values: readonly unknown[] = []) => {
    const result = await db.database.pool.query<Record<string, unknown>>(text, [...values])
    return result.rows
  }
  const show = async (order: Bought) => {
    const { body } = await call(`/store/orders/${order.id}`, {
      headers: { 'order-token': order.token },
    })
    return body
  }
  return {
    query,
    show,
    buy: async (over: Record<string, unknown> = {}): Promise<Bought> => {
      count += 1
      const { status, body } = await call('/store/orders', {
        method: 'POST',
        headers: { ...json, 'idempotency-key': `buy-${count}` },
        body: JSON.stringify({
          currency: 'GBP',
          country: 'GB',
          lines: [{ sku: 'A', qty: 1 }],
          ship_to: { name: 'Ada', country: 'GB' },
          ...over,
        }),
      })
      expect([status, body['code']]).toEqual([201, undefined])
      return placedBody.parse(body)
    },
    cancel: (order: Bought, server = 0) =>
      call(
        `/store/orders/${order.id}/cancel`,
        { method: 'POST', headers: { ...json, 'order-token': order.token }, body: '{}' },
        server,
      ),
    readdress: (order: Bought, shipTo: Record<string, string>) =>
      call(`/store/orders/${order.id}/ship-to`, {
        method: 'PUT',
        headers: { ...json, 'order-token': order.token },
        body: JSON.stringify(shipTo),
      }),
    reaches: (order: Bought, status: string) =>
      vi.waitFor(async () => expect(await show(order)).toMatchObject({ status }), 30_000),
    /** What the partners' own ledgers say of an order. */
    judge: async (order: Bought) => {
      const rows = await query(`select id from fulfillment.fulfillment_order where order_id = $1`, [
        order.id,
      ])
      const ids = new Set(rows.map((row) => row['id']))
      const texts = await Promise.all(
        [...urls.values()].map(async (url) => (await fetch(`${url}/ledger`)).text()),
      )
      return texts
        .flatMap((text) => text.split('\n'))
        .filter((line) => line !== '')
        .map((line) => ledgerRow.parse(JSON.parse(line)))
        .filter((row) => ids.has(row.fulfillment_id))
    },
    /** While on, the partner's events do not verify: we do not take its acceptance, and it picks nothing. */
    neverPicks: (partner: (typeof PARTNERS)[number], isOn: boolean) => {
      const own = secrets[PARTNERS.indexOf(partner)]
      const event = [isOn ? newWebhookSecret() : (own?.event ?? '')]
      return fetch(`${urls.get(partner)}/secrets`, {
        method: 'PUT',
        body: JSON.stringify({ dispatch: [own?.dispatch ?? ''], event }),
      })
    },
    released: async (order: Bought) => {
      const [row] = await query(
        `select coalesce(-sum(reserved_delta) filter (where kind = 'release'), 0)::int as units,
                (count(*) filter (where kind = 'release'))::int as moves
           from inventory.movement where subject_id = $1`,
        [order.id],
      )
      return row
    },
    violations: async () => {
      const checks = [...fulfillmentChecks, ...inventoryChecks, ...orderChecks]
      const found = await Promise.all(
        checks.map(async ({ claim, find }) => {
          const rows = await read(db.database, find, { merchant: 'main' })
          return rows.map((row) => `${claim}: ${JSON.stringify(row)}`)
        }),
      )
      return found.flat()
    },
    stop: async () => {
      await Promise.all(servers.map((one) => stopServer(one.process)))
      await simulator.stop()
      await db.drop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function startServer(databaseUrl: string, folder: string) {
  const child = spawn(process.execPath, [FIXTURE], {
    env: {
      ...process.env,
      TEST_WORKER: '1',
      HOLDFAST_DATABASE_URL: databaseUrl,
      HOLDFAST_MASTER_KEY_FILE: join(folder, 'master.key'),
      HOLDFAST_DISPATCH_TIMING: 'rehearsal',
      HOLDFAST_HTTP_PORT: '0',
      HOLDFAST_GRPC_PORT: '0',
      HOLDFAST_LOG_LEVEL: 'error',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line]: unknown[] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  return { process: child, url: serving.parse(JSON.parse(String(line))).httpUrl }
}

async function stopServer(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}

import { createServer } from 'node:http'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { addLocation } from '#inventory/index.ts'
import { registerPartner } from '#partners/index.ts'
import { withTransaction } from '#platform/index.ts'
import { newWebhookSecret } from '#platform/webhooks/index.ts'
import { MASTER_KEY, openWarehouse, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'

let house: Warehouse
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true })
})
afterAll(() => house.stop())

/** A partner that lists nothing, takes every other request and answers none of them, until the end of the test. */
async function openSilentPartner() {
  const taken: string[] = []
  const server = createServer((request, response) => {
    if (request.url?.includes('after_sequence') === true) {
      response.end(JSON.stringify({ dispatches: [], next_after_sequence: null }))
      return
    }
    taken.push(request.method ?? '')
    response.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const stop = (): void => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${port}`, taken, stop }
}

const settled = async (partner: string): Promise<readonly unknown[]> => {
  const rows = await house.query(
    `select d.state from fulfillment.dispatch d where d.partner_id = '${partner}'`,
  )
  return rows.map((row) => row['state'])
}

test('a partner that never answers holds up nobody else', async () => {
  const silent = await openSilentPartner()
  onTestFinished(() => silent.stop())
  const secrets = { dispatch: newWebhookSecret(), event: newWebhookSecret() }
  await withTransaction(house.test.database, (tx) =>
    addLocation(tx, 'main', { id: 'loc-slowco', name: 'SlowCo' }),
  )
  const { url } = silent
  const slowco = {
    id: 'slowco',
    url,
    allowPrivate: true,
    secrets,
    actor: 'test',
    concurrencyMax: 64,
  }
  orThrow(await registerPartner(house.context, MASTER_KEY, slowco))
  const at = (partner: string) => [
    { line: 1, sku: 'A', qty: 1, allocations: [{ locationId: `loc-${partner}`, qty: 1 }] },
  ]
  // More for the silent one, and before the other: its lane is full all the time.
  const names = Array.from({ length: 64 }, (_, index) => `ord_slow_${index}`)
  await house.handOver(...names.map((name) => record(name, { lines: at('slowco') })))
  const worker = await house.startWorker({ batchOrdersMax: 1 })
  onTestFinished(async () => {
    silent.stop()
    await worker.stop()
  })
  await vi.waitFor(() => expect(silent.taken.length).toBeGreaterThan(10), 20_000)
  await house.handOver(
    ...names.slice(0, 20).map((name) => record(`${name}_fast`, { lines: at('shipco') })),
  )
  await vi.waitFor(
    async () => expect(await settled('shipco')).toEqual(Array(20).fill('accepted')),
    40_000,
  )
  // Whoever is held up is still there, and nothing of it was settled by guessing.
  expect(new Set(await settled('slowco'))).not.toContain('accepted')
})

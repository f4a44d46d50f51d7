import { afterAll, beforeAll, expect, test } from 'vitest'
import { accept, newId } from '#kernel/index.ts'
import { startHttpServer } from '#platform/http/index.ts'
import type { HttpServer } from '#platform/http/index.ts'
import { signWebhook } from '#platform/webhooks/index.ts'
import { metrics } from '#telemetry/index.ts'
import { silentLog } from '../../../tests/database.ts'
import { openWarehouse } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'
import { inboundRoutes } from './inbound.http.ts'

const MIB = 1024 * 1024
let house: Warehouse
let server: HttpServer
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true })
  server = await startHttpServer({
    routes: inboundRoutes({ context: house.context, secrets: house.deps.secrets }),
    host: '127.0.0.1',
    port: 0,
    log: silentLog,
    authenticate: async () => accept(undefined),
  })
})
afterAll(async () => {
  await server.close()
  await house.stop()
})

/** What was refused until now, by reason, without what was never refused. */
async function refused(): Promise<Readonly<Record<string, number>>> {
  const name = 'holdfast_partner_event_refused_total'
  const text = await metrics.registry.getSingleMetricAsString(name)
  const found = [...text.matchAll(/\{reason="(\w+)"\} (\d+)/g)]
  return Object.fromEntries(
    found.flatMap(([, reason = '', times]) => (times === '0' ? [] : [[reason, Number(times)]])),
  )
}
async function post(
  body: string,
  over: { id?: string; secret?: string; type?: string; partner?: string } = {},
) {
  const { id = newId('evt'), type = 'application/json', partner = 'shipco' } = over
  const timestampS = Math.floor(Date.now() / 1_000)
  const secret = over.secret ?? house.secrets.event
  const signed = signWebhook({ secret, id, timestampS, body: Buffer.from(body) })
  const headers = { ...signed, 'content-type': type }
  const where = `${server.url}/partners/${partner}/events`
  return (await fetch(where, { method: 'POST', headers, body })).status
}

test('each event that a partner is refused is counted by its reason, and one that is kept is not', async () => {
  const id = newId('evt')
  expect(await post('{"a":1}', { id })).toBe(202)
  expect(await post('{"a":1}', { id })).toBe(202)
  expect(await refused()).toEqual({})
  expect(await post('{}', { secret: house.secrets.dispatch })).toBe(401)
  expect(await post('{}', { partner: 'nobody' })).toBe(401)
  expect(await refused()).toEqual({ signature: 2 })
  expect(await post('{"a":2}', { id })).toBe(409)
  expect(await post('{"a":1,"a":2}')).toBe(400)
  // These never come to the handler.
  expect(await post(' '.repeat(MIB + 1))).toBe(413)
  expect(await post('{}', { type: 'text/plain' })).toBe(415)
  expect(await post('{}', { partner: 'x'.repeat(33) })).toBe(422)
  expect(await refused()).toEqual({
    signature: 2,
    conflict: 1,
    malformed: 1,
    too_large: 1,
    media_type: 1,
    partner_id: 1,
  })
})

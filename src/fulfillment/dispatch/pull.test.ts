import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { setDelivery } from '#partners/index.ts'
import { signWebhook } from '#platform/webhooks/index.ts'
import { webhookIdOf } from '../idempotency-key.ts'
import type { FulfillmentWorker } from '../run-worker.ts'
import { sealBatch } from '../seal/seal-batch.ts'
import { openWarehouse, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'
import { pingRequest } from './dispatch-request.ts'

let house: Warehouse
let worker: FulfillmentWorker | undefined
let order = ''
let count = 0
beforeAll(async () => {
  house = await openWarehouse()
  const change = { partner: 'shipco', actor: 'test', reason: 'its firewall takes no bodies' }
  orThrow(await setDelivery(house.context, { ...change, delivery: 'pull' }))
})
afterAll(() => house.stop())
beforeEach(async () => {
  count += 1
  order = `ord_pull_${count}`
  await become('A')
})
afterEach(async () => {
  await worker?.stop()
  worker = undefined
  await house.faults([])
})

const become = async (grade: 'A' | 'D') => {
  await house.regrade(grade)
  expect((await house.profile({ grade, delivery: 'pull' })).status).toBe(200)
}
const dispatch = async () => {
  const rows = await house.query(
    `select d.id, d.key, d.state, d.pulled_at, f.state as "order" from fulfillment.fulfillment_order f
       left join fulfillment.dispatch d on d.id = f.dispatch_id where f.order_id = '${order}'`,
  )
  return rows[0] ?? {}
}
const acceptances = async () => {
  const { key } = await dispatch()
  return (await house.ledger()).filter((row) => row.key === key).map((row) => row.acceptances)
}
const pull = async (key: string, signedFor = key, secret = house.secrets.event) => {
  const body = new Uint8Array()
  const timestampS = Math.floor(Date.now() / 1_000)
  const headers = { ...signWebhook({ secret, id: webhookIdOf(signedFor), timestampS, body }) }
  return fetch(`${house.inboundUrl}/partners/shipco/pull?key=${key}`, { headers })
}
const under = (key: string, what: string) =>
  house.asOwner(`update fulfillment.dispatch set ${what} where key = '${key}'`)

test('a ping has the key and nothing of an order', () => {
  const key = `hfd1-${'b'.repeat(32)}`
  const { body, url } = pingRequest({
    partner: { url: 'https://partner.example', allowPrivate: false },
    secrets: [house.secrets.dispatch],
    key,
    bytes: Buffer.from('{"ship_to":"Ada"}'),
    fenceEpoch: 1,
    attempt: 1,
    timestampS: 1_790_000_000,
  })
  expect(url).toBe('https://partner.example/holdfast/v1/pings')
  expect(JSON.parse(Buffer.from(body ?? '').toString())).toEqual({
    schema: 'holdfast.ping/1',
    type: 'dispatch.ready',
    key,
  })
})

test.each([
  ['nothing', undefined],
  ['a lost ping', 'lose_request'],
  ['a reset', 'reset'],
  ['an answer that was cut off', 'lose_answer'],
  ['half an answer', 'truncate_answer'],
  ['500 after the partner committed', '500_after_commit'],
  ['a ping that is worked on later', 'ghost'],
])('with %s the order that is fetched has its effect once', async (_, fault) => {
  if (fault !== undefined) await house.faults([{ match: { method: 'POST', nth: 1 }, fault }])
  await house.handOver(record(order))
  worker = await house.startWorker()
  await vi.waitFor(
    async () => expect(await dispatch()).toMatchObject({ state: 'accepted', order: 'shipped' }),
    20_000,
  )
  expect(await acceptances()).toHaveLength(1)
  expect((await dispatch())['pulled_at']).not.toBeNull()
  const rows = (await house.ledger()).map((row) => row.fulfillment_id)
  expect(new Set(rows).size).toBe(rows.length)
})

test('what was fetched and never echoed is in doubt: without keys a person decides', async () => {
  await become('D')
  await house.faults([
    { match: { method: 'POST', nth: 1 }, fault: 'lose_answer' },
    { match: { event: 'dispatch.accepted' }, fault: 'lose_event' },
  ])
  await house.handOver(record(order))
  worker = await house.startWorker()
  await vi.waitFor(
    async () => expect(await dispatch()).toMatchObject({ state: 'needs_operator' }),
    20_000,
  )
  expect((await dispatch())['pulled_at']).not.toBeNull()
  expect(await acceptances()).toHaveLength(1)
})

test('nothing is given but under a committed intent, to its own partner, and as it was sealed', async () => {
  await house.handOver(record(order))
  await sealBatch(house.context, 'shipco', house.deps)
  const key = String((await dispatch())['key'])
  const other = `hfd1-${'c'.repeat(32)}`
  expect((await pull(key)).status).toBe(409)
  expect((await pull(other)).status).toBe(409)
  expect((await dispatch())['pulled_at']).toBeNull()
  const lease = `lease_token = 'x', intent_at = now(), attempt = 1`
  await under(key, `state = 'sending', lease_until = now() - interval '1 second', ${lease}`)
  expect((await pull(key)).status).toBe(409)
  await under(key, `lease_until = now() + interval '1 hour'`)
  expect((await pull(key, other)).status).toBe(401)
  expect((await pull(key, key, house.secrets.dispatch)).status).toBe(401)
  expect((await dispatch())['pulled_at']).toBeNull()
  const given = await pull(key)
  expect(given.status).toBe(200)
  const body = Buffer.from(await given.arrayBuffer())
  const sealed = await house.query(
    `select b.bytes from fulfillment.sealed_body b
       join fulfillment.dispatch d on d.id = b.dispatch_id where d.key = '${key}'`,
  )
  expect(body.equals(Buffer.from(String(sealed[0]?.['bytes'])))).toBe(true)
  expect(given.headers.get('idempotency-key')).toBe(`"${key}"`)
  await house.asOwner(
    `update fulfillment.sealed_body set proof = decode(repeat('ab', 32), 'hex')
      where dispatch_id = (select id from fulfillment.dispatch where key = '${key}')`,
  )
  expect((await pull(key)).status).toBe(409)
})

test('a fetch in doubt outdates the look-up that is under way, and what is asked back is not given', async () => {
  await house.handOver(record(order))
  await sealBatch(house.context, 'shipco', house.deps)
  const key = String((await dispatch())['key'])
  const old = `now() - interval '1 hour'`
  await under(
    key,
    `state = 'unknown', attempt = 1, lease_token = 'lookup', pulled_at = ${old}, intent_at = ${old},
     first_attempt_at = ${old}, absent_since = ${old}`,
  )
  expect((await pull(key)).status).toBe(200)
  const facts = await house.query(
    `select lease_token, absent_since, intent_at > now() - interval '1 minute' as "isNew"
       from fulfillment.dispatch where key = '${key}'`,
  )
  expect(facts).toEqual([{ lease_token: null, absent_since: null, isNew: true }])
  await house.query(
    `insert into fulfillment.recall_line
       (merchant_id, dispatch_id, fulfillment_id, order_id, partner_id, cause, actor, reason)
     select merchant_id, dispatch_id, fulfillment_id, order_id, 'shipco', 'operator', 'ann', 'x'
       from fulfillment.line_claim where order_id = '${order}'`,
  )
  expect((await pull(key)).status).toBe(409)
})

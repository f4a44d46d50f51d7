import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { newId, orThrow } from '#kernel/index.ts'
import {
  findPartner,
  partnerSecretStates,
  retirePartnerSecret,
  rotatePartnerSecret,
} from '#partners/index.ts'
import type { SecretDirection } from '#partners/index.ts'
import { signWebhook } from '#platform/webhooks/index.ts'
import { silentLog } from '../../../tests/database.ts'
import { MASTER_KEY, openWarehouse, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'

const WAIT = { timeout: 30_000, interval: 25 }
const warnings: string[] = []
let house: Warehouse
beforeAll(async () => {
  const warn = (_: object, message: string) => void warnings.push(message)
  house = await openWarehouse({ log: { ...silentLog, warn } })
})
afterAll(() => house.stop())

const change = (direction: SecretDirection, over: object = {}) => ({
  partner: 'shipco',
  direction,
  actor: 'person:ada',
  reason: 'yearly',
  isCompromised: false,
  ...over,
})
const rotate = async (direction: SecretDirection, over: object = {}) =>
  orThrow(await rotatePartnerSecret(house.context, MASTER_KEY, change(direction, over))).secret
const retire = (direction: SecretDirection, number: number, over: object = {}) =>
  retirePartnerSecret(house.context, { ...change(direction, over), number })
const code = (expected: string) => ({ ok: false, refusal: { code: expected } })
const live = async (direction: SecretDirection) =>
  (await partnerSecretStates(house.context, 'shipco', direction))
    .filter((one) => one.is_live)
    .map((one) => one.number)
const forgetUse = () =>
  house.asOwner(`update platform.secret set last_used_at = now() - interval '2 hours'`)
const partnerHas = async (secrets: { dispatch: readonly string[]; event: readonly string[] }) => {
  const put = await fetch(`${house.url}/secrets`, { method: 'PUT', body: JSON.stringify(secrets) })
  expect(put.status).toBe(200)
}
const post = async (secret: string) => {
  const body = JSON.stringify({ schema: 'holdfast.partner-event/1', type: 'weather.changed' })
  const timestampS = Math.floor(Date.now() / 1_000)
  const headers = signWebhook({ secret, id: newId('evt'), timestampS, body: Buffer.from(body) })
  const where = `${house.inboundUrl}/partners/shipco/events`
  return (await fetch(where, { method: 'POST', headers: { ...headers }, body })).status
}

let orders = 0
/** Sends orders through the partner and back, until each has shipped. */
async function traffic(count = 5): Promise<void> {
  const names = Array.from({ length: count }, () => `ord_turn_${(orders += 1)}`)
  await house.handOver(...names.map((name) => record(name)))
  const list = names.map((name) => `'${name}'`).join()
  await vi.waitFor(async () => {
    const shipped = await house.query(
      `select id from fulfillment.fulfillment_order where state = 'shipped' and order_id in (${list})`,
    )
    expect(shipped).toHaveLength(count)
  }, WAIT)
}

test('both secrets are rotated under traffic and no dispatch and no event is refused', async () => {
  const worker = await house.startWorker()
  const over = new AbortController()
  const flow = (async () => {
    while (!over.signal.aborted) await traffic(3)
  })()
  const { dispatch: oldDispatch, event: oldEvent } = house.secrets
  const dispatch = await rotate('dispatch')
  const event = await rotate('event')
  await traffic()
  await partnerHas({ dispatch: [dispatch, oldDispatch], event: [event, oldEvent] })
  await traffic()
  // What each side says when it is done: the other one has been seen to use the new secret.
  await house.deps.secrets.numbered('shipco', 'dispatch', { isFresh: true })
  await partnerHas({ dispatch: [dispatch], event: [event] })
  await traffic()
  orThrow(await retire('dispatch', 1))
  await traffic()
  over.abort()
  await flow
  await worker.stop()
  const refused = await house.query(
    `select * from fulfillment.attempt where status = 401 or class = 'blocked'`,
  )
  expect(refused).toEqual([])
  expect(warnings.filter((one) => one.includes('verify'))).toEqual([])
  expect((await findPartner(house.test.database, 'main', 'shipco'))?.pausedAt).toBeNull()
  expect(new Set((await house.ledger()).map((row) => row.acceptances))).toEqual(new Set([1]))
  const signed = await house.query(
    `select distinct secret_number as n from fulfillment.inbox order by 1`,
  )
  expect(signed).toEqual([{ n: 1 }, { n: 2 }])
})

test('an event secret in use is not retired; when it leaked it is, and at once', async () => {
  expect(await live('event')).toEqual([2, 1])
  expect(await retire('event', 1)).toMatchObject(code('secret_in_use'))
  expect(await post(house.secrets.event)).toBe(202)
  // Signed with the old one alone, past its overlap: it lives on while it is used.
  await house.asOwner(`update platform.secret set overlap_until = now() - interval '1 day'`)
  expect(await post(house.secrets.event)).toBe(202)
  orThrow(await retire('event', 1, { isCompromised: true, reason: 'found on a laptop' }))
  expect(await post(house.secrets.event)).toBe(401)
  expect(await retire('event', 1)).toMatchObject(code('secret_unknown'))
  expect(await retire('event', 2, { isCompromised: true })).toMatchObject(code('secret_last'))
})

test('at most two are live: a rotation that is sent again makes no third', async () => {
  const [first, second] = await Promise.all([
    rotatePartnerSecret(house.context, MASTER_KEY, change('event')),
    rotatePartnerSecret(house.context, MASTER_KEY, change('event')),
  ])
  expect([first, second].filter((one) => one.ok)).toHaveLength(1)
  expect([first, second].find((one) => !one.ok)).toMatchObject(code('secret_overlap'))
  expect(await live('event')).toEqual([3, 2])
  await forgetUse()
  orThrow(await retire('event', 2))
  expect(await live('event')).toEqual([3])
})

test('an old event secret ends by itself: past its overlap and an hour unused', async () => {
  const fourth = await rotate('event')
  const old = await live('event')
  expect(old).toEqual([4, 3])
  await house.asOwner(
    `update platform.secret set overlap_until = now() - interval '1 minute' where overlap_until is not null`,
  )
  await forgetUse()
  expect(await live('event')).toEqual([4])
  expect(await post(fourth)).toBe(202)
})

test('where the new secret is retired, the old one is live without end again', async () => {
  await rotate('dispatch', { isCompromised: true })
  await rotate('dispatch')
  expect(await live('dispatch')).toEqual([4, 3])
  orThrow(await retire('dispatch', 4))
  await house.asOwner(
    `update platform.secret set overlap_until = now() - interval '1 minute' where overlap_until is not null`,
  )
  expect(await live('dispatch')).toEqual([3])
})

test('a rotation for a leak leaves the new secret alone, and all of it is audited', async () => {
  const fifth = await rotate('event', { isCompromised: true, reason: 'leaked' })
  expect(await live('event')).toEqual([5])
  expect(await post(fifth)).toBe(202)
  const audit = await house.query(
    `select action, actor, reason, after from platform.audit
      where action like 'partner.secret%' order by id desc limit 1`,
  )
  expect(audit).toEqual([
    {
      action: 'partner.secret_rotated',
      actor: 'person:ada',
      reason: 'leaked',
      after: { direction: 'event', number: 5, overlap_s: 0, is_compromised: true },
    },
  ])
  expect(
    await rotatePartnerSecret(house.context, MASTER_KEY, change('event', { partner: 'no' })),
  ).toMatchObject(code('partner_unknown'))
  const rows = await house.query(`select row_to_json(s)::text as t from platform.secret s
    union all select row_to_json(e)::text from platform.event e`)
  expect(JSON.stringify(rows)).not.toContain('whsec_')
})

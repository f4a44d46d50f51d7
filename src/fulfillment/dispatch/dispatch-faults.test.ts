import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { resumePartner } from '#partners/index.ts'
import { resolveDispatch } from './resolve-dispatch.ts'
import type { FulfillmentWorker } from '../run-worker.ts'
import { flagsOf, openWarehouse, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'

let house: Warehouse
let worker: FulfillmentWorker | undefined
let order = ''
let count = 0
beforeAll(async () => {
  // The partner's own events stay away, so that only what the sender does resolves an outcome.
  house = await openWarehouse({ isDeaf: true })
})
afterAll(() => house.stop())
beforeEach(async () => {
  count += 1
  order = `ord_${count}`
  await house.regrade('A')
})
afterEach(async () => {
  await worker?.stop()
  worker = undefined
  await house.faults([])
  await house.asOwner(`update fulfillment.lane set rate_per_s = null, throttled_at = null`)
})

const strike = (fault: string, more: object = {}) =>
  house.faults([{ match: { method: 'POST', nth: 1 }, fault, ...more }])

const dispatch = async () => {
  const rows = await house.query(
    `select d.id, d.state, d.attempt, d.last_code, d.key, f.state as "order",
            d.next_attempt_at > now() + interval '100 seconds' as "waitsLong"
       from fulfillment.fulfillment_order f
       left join fulfillment.dispatch d on d.id = f.dispatch_id
      where f.order_id = '${order}'`,
  )
  return rows[0] ?? {}
}
const reaches = (state: string) =>
  vi.waitFor(async () => expect(await dispatch()).toMatchObject({ state }), 10_000)
const acceptances = async (): Promise<readonly number[]> => {
  const { key } = await dispatch()
  return (await house.ledger()).filter((row) => row.key === key).map((row) => row.acceptances)
}
const dispatchId = async (): Promise<string> => String((await dispatch())['id'])
const send = async (over: Parameters<Warehouse['startWorker']>[0] = {}) => {
  await house.handOver(record(order))
  worker = await house.startWorker(over)
}

test.each([
  ['500 after the partner committed', '500_after_commit', {}],
  ['504 after the partner committed', '500_after_commit', { value: 504 }],
  ['an answer that was cut off', 'lose_answer', {}],
  ['half an answer', 'truncate_answer', {}],
])('%s is looked up and was accepted once', async (_, fault, more) => {
  await strike(fault, more)
  await send()
  await reaches('accepted')
  expect(await dispatch()).toMatchObject({
    attempt: 1,
    order: 'accepted',
    last_code: 'lookup_found',
  })
  expect(await acceptances()).toEqual([1])
})

test.each([
  ['a request that was lost', 'lose_request', {}],
  ['a reset', 'reset', {}],
  ['503 without a promise', 'status', { value: 503 }],
  ['409', 'status', { value: 409 }],
])('%s is looked up, absent, and sent again under its key', async (_, fault, more) => {
  await strike(fault, more)
  await send()
  await reaches('accepted')
  expect(await dispatch()).toMatchObject({ attempt: 2, order: 'accepted' })
  expect(await acceptances()).toEqual([1])
})

test('a ghost that lands after the resend is the same key, accepted once', async () => {
  await strike('ghost', { value: 300 })
  await send()
  await reaches('accepted')
  await vi.waitFor(async () => expect(await acceptances()).toEqual([1]), 5_000)
})

test('an echo of other content is quarantined and is no success', async () => {
  await strike('wrong_echo')
  await send()
  await reaches('quarantined')
  expect(await dispatch()).toMatchObject({ order: 'sealed', last_code: 'ack_mismatch' })
})

test('422 of a key that the partner does not know is quarantined', async () => {
  await strike('status', { value: 422 })
  await send()
  await reaches('quarantined')
  expect(await acceptances()).toEqual([])
})

test('a bare 400, as a server answers half a request, is asked about and sent again', async () => {
  await strike('status', { value: 400 })
  await send()
  await reaches('accepted')
  expect(await acceptances()).toEqual([1])
})

test.each([404, 413, 415])('%i is our fault: quarantined, never sent again', async (value) => {
  await strike('status', { value })
  await send()
  await reaches('quarantined')
  expect(await dispatch()).toMatchObject({ attempt: 1 })
})

test.each([
  [429, '429'],
  [503, 'status'],
])('%i with Retry-After waits as long as it says', async (value, fault) => {
  await strike(fault, { value, retry_after: 600 })
  await send()
  await vi.waitFor(
    async () => expect(await dispatch()).toMatchObject({ attempt: 1, state: 'queued' }),
    10_000,
  )
  expect(await dispatch()).toMatchObject({ waitsLong: true })
})

test('401 pauses the partner and keeps the dispatch for the resume', async () => {
  await strike('status', { value: 401 })
  await send()
  await vi.waitFor(async () => {
    const rows = await house.query(`select paused_reason from partners.partner`)
    expect(rows).toEqual([{ paused_reason: expect.any(String) }])
  }, 10_000)
  // The partner is paused before its dispatch is let go of.
  await reaches('queued')
  expect(await dispatch()).toMatchObject({ attempt: 1 })
  const change = { partner: 'shipco', actor: 'person:ada', reason: 'secret was fixed' }
  orThrow(await resumePartner(house.context, change))
  await reaches('accepted')
  expect(await acceptances()).toEqual([1])
})

test('without batch_retry_enabled a definite failure waits for a person, then keeps its key', async () => {
  await strike('429', { retry_after: 1 })
  await send({ flags: flagsOf({ batch_retry_enabled: false }) })
  await reaches('needs_operator')
  const { key } = await dispatch()
  const answer = { dispatch: await dispatchId(), actor: 'person:ada', note: 'asked them' }
  orThrow(await resolveDispatch(house.context, { ...answer, outcome: 'not_received' }))
  await reaches('accepted')
  expect(await dispatch()).toMatchObject({ key, attempt: 2 })
})

test('an unknown outcome at a partner of class D is a question for a person', async () => {
  await house.regrade('D')
  await strike('lose_answer')
  await send()
  await reaches('needs_operator')
  const answer = { dispatch: await dispatchId(), actor: 'person:ada', note: 'they have it' }
  orThrow(await resolveDispatch(house.context, { ...answer, outcome: 'received' }))
  expect(await dispatch()).toMatchObject({ state: 'accepted', order: 'accepted' })
  expect(await acceptances()).toEqual([1])
  const again = await resolveDispatch(house.context, { ...answer, outcome: 'not_received' })
  expect(again).toMatchObject({ ok: false, refusal: { code: 'dispatch_state' } })
})

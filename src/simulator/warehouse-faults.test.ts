import { expect, test, vi } from 'vitest'
import {
  dispatch,
  fields,
  keyOf,
  look,
  order,
  partner,
  PATH,
  putFaults,
  receiver,
  recallOf,
} from './sender.fixture.ts'

const sent = dispatch(keyOf('a'), [order('one')])
const POST = { method: 'POST', nth: 1 }

test('stale_lookup hides what was accepted a moment ago', async () => {
  const { url, post } = await partner()
  await putFaults(url, [
    { match: { method: 'GET' }, fault: 'stale_lookup', value: 60_000, times: 2 },
  ])
  await post(sent)
  expect((await look(`${url}${PATH}/${sent.key}`)).status).toBe(404)
  expect((await look(`${url}${PATH}`)).body).toMatchObject({ dispatches: [] })
  expect((await look(`${url}${PATH}/${sent.key}`)).status).toBe(200)
})

test('a restored partner has forgotten, its ledger has not', async () => {
  const { url, post, rows, summary, stop, dataDir } = await partner({ shipDelayMs: 3_600_000 })
  const names = ['a', 'b', 'c'].entries()
  for (const [at, name] of names)
    await post(dispatch(keyOf(name), [order(name)], { sequence: at + 1 }))
  await recallOf(url, keyOf('late'), ['late'])
  await putFaults(url, [{ match: { method: 'GET', nth: 1 }, fault: 'partner_restore', value: 2 }])
  const answers = [
    await look(`${url}${PATH}/${keyOf('a')}`),
    await look(`${url}${PATH}/${keyOf('b')}`),
    await look(`${url}${PATH}/${keyOf('late')}`),
  ]
  expect(answers.map((one) => one.status)).toEqual([200, 404, 404])
  expect(answers[1]?.headers.get('holdfast-sequence-seen')).toBe('1')
  expect((await look(`${url}${PATH}`)).body['dispatches']).toMatchObject([{ key: keyOf('a') }])
  const again = dispatch(keyOf('b'), [order('b')], { sequence: 2 })
  expect((await post(again)).status).toBe(201)
  const kept = [
    { fulfillment_id: 'ful_a', forgotten_at: null, acceptances: 1 },
    { fulfillment_id: 'ful_b', forgotten_at: expect.any(String), acceptances: 2 },
    { fulfillment_id: 'ful_c', forgotten_at: expect.any(String), acceptances: 1 },
    { fulfillment_id: 'ful_b', forgotten_at: null, acceptances: 2 },
  ]
  expect(await rows()).toMatchObject(kept)
  expect((await summary()).body).toMatchObject({ forgotten: 2, duplicate_fulfillments: 0 })
  await stop()
  const after = await partner({ dataDir })
  expect(await after.rows()).toMatchObject(kept)
  expect((await look(`${after.url}${PATH}/${keyOf('c')}`)).status).toBe(404)
})

test('orders refused inside an accepted dispatch are named, also in the replay', async () => {
  const { url: callbackUrl, taken } = await receiver()
  const { url, post, rows } = await partner({ callbackUrl })
  await putFaults(url, [
    { match: POST, fault: 'reject_orders', value: 1, code: 'no_stock', retriable: false },
  ])
  const two = dispatch(keyOf('a'), [order('one'), order('two')])
  const answer = await post(two)
  expect(answer.body).toMatchObject({
    accepted: ['ful_two'],
    rejected: [{ id: 'ful_one', code: 'no_stock', retriable: false }],
  })
  expect((await post(two)).text).toBe(answer.text)
  expect((await look(`${url}${PATH}/${two.key}`)).body).toMatchObject(answer.body)
  expect((await post(dispatch(keyOf('b'), [order('one')]))).status).toBe(201)
  await vi.waitFor(() => expect(taken).toHaveLength(4))
  expect((await rows()).map((row) => row['fulfillment_id'])).toEqual(['ful_two', 'ful_one'])
})

test('a dispatch whose every order is refused is an answer and no event', async () => {
  const { url: callbackUrl, attempts, taken } = await receiver()
  const { url, post, rows } = await partner({ callbackUrl })
  await putFaults(url, [{ match: POST, fault: 'reject_orders', value: 9 }])
  expect((await post(sent)).body).toMatchObject({ accepted: [], rejected: [{ id: 'ful_one' }] })
  expect((await look(`${url}${PATH}/${sent.key}`)).body).toMatchObject({ state: 'rejected' })
  expect(await rows()).toEqual([])
  await post(dispatch(keyOf('b'), [order('two')]))
  await vi.waitFor(() => expect(taken).toHaveLength(2))
  expect(attempts.map((one) => one.body['dispatch_key'])).toEqual([keyOf('b'), keyOf('b')])
})

test('a poisoned key fails for ever, and only that key', async () => {
  const { url, post, rows, stop, dataDir } = await partner()
  await putFaults(url, [{ match: POST, fault: 'poison', value: 502 }])
  const answers = [await post(sent), await post(sent)]
  expect(answers.map((one) => one.status)).toEqual([502, 502])
  expect(answers.map((one) => one.headers.get('idempotent-replayed'))).toEqual([null, 'true'])
  expect((await look(`${url}${PATH}/${sent.key}`)).status).toBe(404)
  expect((await post(dispatch(keyOf('b'), [order('one')]))).status).toBe(201)
  expect(await rows()).toHaveLength(1)
  await stop()
  expect((await (await partner({ dataDir })).post(sent)).status).toBe(502)
})

const lines = [
  { line_id: '1', sku: 'A', qty: 2 },
  { line_id: '2', sku: 'B', qty: 1 },
]
test.each([
  ['short_ship', 2, [1, 0], 1],
  ['double_ship', 1, [4, 1], 2],
])(
  '%s is told as it happened, and the judge counts units',
  async (fault, value, units, parcels) => {
    const { url: callbackUrl, taken } = await receiver()
    const { url, post, rows } = await partner({ callbackUrl })
    await putFaults(url, [{ match: POST, fault, value }])
    await post(dispatch(keyOf('a'), [order('one', { lines })]))
    await vi.waitFor(() => expect(taken).toHaveLength(2))
    const told = [taken[1]?.body['shipments']].flat().map((one: unknown) => fields(one))
    expect(told).toHaveLength(parcels)
    expect(new Set(told.map((one) => one['shipment_id'])).size).toBe(parcels)
    const [row] = await rows()
    const left = [row?.['shipped_lines']].flat().map((one: unknown) => fields(one)['qty'])
    expect(left).toEqual(units)
  },
)

test('ship_recalled says recalled, and the goods leave all the same', async () => {
  let isOpen = false
  const { url: callbackUrl, taken } = await receiver(() => (isOpen ? 204 : 503))
  const { url, post, rows } = await partner({ callbackUrl })
  await putFaults(url, [{ match: POST, fault: 'ship_recalled' }])
  await post(sent)
  const answer = await recallOf(url, sent.key, ['one'])
  expect(answer.body['orders']).toMatchObject([{ outcome: 'recalled' }])
  isOpen = true
  await vi.waitFor(() => expect(taken).toHaveLength(2))
  expect(await rows()).toMatchObject([
    { recalled_at: expect.any(String), shipped_at: expect.any(String) },
  ])
})

test('a lost event is never heard of, and later ones go on', async () => {
  const { url: callbackUrl, attempts, taken } = await receiver()
  const { url, post, summary } = await partner({ callbackUrl })
  await putFaults(url, [{ match: { event: 'dispatch.accepted' }, fault: 'lose_event' }])
  await post(sent)
  await vi.waitFor(() => expect(taken).toHaveLength(1))
  await vi.waitFor(async () => expect((await summary()).body).toMatchObject({ events_pending: 0 }))
  expect(attempts.map((one) => one.body['type'])).toEqual(['shipment.shipped'])
})

test('a delayed event is overtaken by the shipment that follows from it', async () => {
  const { url: callbackUrl, taken } = await receiver()
  const { url, post } = await partner({ callbackUrl })
  await putFaults(url, [
    { match: { event: 'dispatch.accepted', nth: 1 }, fault: 'delay_event', value: 200 },
  ])
  await post(sent)
  await vi.waitFor(() => expect(taken).toHaveLength(2))
  expect(taken.map((one) => one.body['sequence'])).toEqual([2, 1])
})

test('a repeated event comes twice with one id and one body', async () => {
  const { url: callbackUrl, taken } = await receiver()
  const { url, post } = await partner({ callbackUrl })
  await putFaults(url, [{ match: { event: 'shipment.shipped' }, fault: 'repeat_event' }])
  await post(sent)
  await vi.waitFor(() => expect(taken).toHaveLength(3))
  expect(taken[1]?.text).toBe(taken[2]?.text)
  expect(taken[1]?.headers['webhook-id']).toBe(taken[2]?.headers['webhook-id'])
})

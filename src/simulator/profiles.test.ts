import { expect, test, vi } from 'vitest'
import {
  dispatch,
  DISPATCH_SECRET,
  fields,
  keyOf,
  look,
  order,
  partner,
  PATH,
  put,
  putFaults,
  recallOf,
  receiver,
  signature,
} from './sender.fixture.ts'

const sent = dispatch(keyOf('a'), [order('one')])
const NEW_SECRET = `whsec_${Buffer.alloc(32, 3).toString('base64')}`

test('grade B forgets a key after its lifetime, and says how long that is', async () => {
  const { url, post, rows } = await partner()
  await put(`${url}/profile`, { grade: 'B', key_ttl_ms: 3_600_000 })
  expect((await post(sent)).headers.get('holdfast-key-ttl')).toBe('3600')
  expect((await post(sent)).status).toBe(200)
  await put(`${url}/profile`, { grade: 'B', key_ttl_ms: 1 })
  expect((await post(sent)).status).toBe(201)
  expect(await rows()).toMatchObject([{ acceptances: 2 }, { acceptances: 2 }])
  expect((await look(`${url}${PATH}?after_sequence=0`)).status).toBe(404)
})

test('a partner that knows keys alone takes an order again under another key, and no key twice', async () => {
  const { url, post, rows } = await partner()
  const again = dispatch(keyOf('b'), [order('one')])
  await put(`${url}/profile`, { grade: 'A', order_keys: false })
  const statuses = [await post(sent), await post(sent), await post(again), await post(again)]
  expect(statuses.map((one) => one.status)).toEqual([201, 200, 201, 200])
  expect(await rows()).toHaveLength(2)
  await put(`${url}/profile`, { grade: 'A' })
  const third = dispatch(keyOf('c'), [order('one')])
  expect((await post(third)).body).toMatchObject({ code: 'order_key_live' })
})

test('grade B keeps no tombstone: a late create of a recalled key is accepted', async () => {
  const { url, post } = await partner()
  await put(`${url}/profile`, { grade: 'B' })
  const recalled = await recallOf(url, sent.key, ['one'])
  expect(recalled).toMatchObject({ status: 404, body: { code: 'dispatch_unknown' } })
  expect((await post(sent)).status).toBe(201)
})

test('grade C takes every arrival anew, and a look-up sees it only after its delay', async () => {
  const { url, post, rows } = await partner()
  await put(`${url}/profile`, { grade: 'C', processing_delay_ms: 60_000 })
  const first = await post(sent)
  expect([first.status, first.headers.get('holdfast-processing-delay')]).toEqual([202, '60'])
  expect((await look(`${url}${PATH}/${sent.key}`)).status).toBe(404)
  expect((await look(`${url}${PATH}?after_sequence=0`)).body).toMatchObject({ dispatches: [] })
  await put(`${url}/profile`, { grade: 'C', lookup_lag_ms: 60_000 })
  expect((await look(`${url}${PATH}/${sent.key}`)).status).toBe(404)
  await put(`${url}/profile`, { grade: 'C' })
  expect((await look(`${url}${PATH}/${sent.key}`)).status).toBe(200)
  expect((await post(sent)).status).toBe(201)
  expect(await rows()).toHaveLength(2)
})

test('nothing is told or shipped before it is processed', async () => {
  const { url: callbackUrl, taken } = await receiver()
  const { url, post } = await partner({ callbackUrl })
  await put(`${url}/profile`, { grade: 'C', processing_delay_ms: 300 })
  const before = Date.now()
  await post(sent)
  await vi.waitFor(() => expect(taken).toHaveLength(2))
  expect(Date.now() - before).toBeGreaterThanOrEqual(300)
})

test('grade D knows neither look-up nor recall nor list', async () => {
  const { url, post } = await partner()
  await put(`${url}/profile`, { grade: 'D' })
  await post(sent)
  const answers = [
    await look(`${url}${PATH}/${sent.key}`),
    await look(`${url}${PATH}`),
    await look(`${url}/holdfast/v1/shipments`),
    await recallOf(url, sent.key, ['one']),
  ]
  expect(answers.map((one) => one.body['code'])).toEqual(Array(4).fill('route_unknown'))
})

test('a probe is answered and remembered like a dispatch, and nothing comes of it', async () => {
  const { url: callbackUrl, attempts } = await receiver()
  const { url, post, rows, summary } = await partner({ callbackUrl })
  const probe = dispatch(keyOf('p'), [order('probe')], { probe: true, sequence: 0 })
  expect((await post(probe)).status).toBe(201)
  expect((await post(probe, { 'holdfast-fence-epoch': '9' })).status).toBe(200)
  expect((await look(`${url}${PATH}/${probe.key}`)).status).toBe(200)
  const other = dispatch(keyOf('q'), [order('probe')], { probe: true, sequence: 0 })
  expect((await post(other)).body).toMatchObject({ code: 'order_key_live' })
  await post(sent)
  await vi.waitFor(() => expect(attempts).toHaveLength(2))
  expect(attempts.map((one) => one.body['dispatch_key'])).toEqual([sent.key, sent.key])
  expect(await rows()).toMatchObject([{ key: sent.key }])
  expect((await look(`${url}${PATH}`)).body['dispatches']).toMatchObject([{ key: sent.key }])
  expect((await summary()).body).toMatchObject({ dispatches: 1, probes: 1, fence_epoch: 1 })
  const bold = dispatch(keyOf('r'), [order('bold')], { probe: true, sequence: 7 })
  expect((await post(bold)).body).toMatchObject({ code: 'body_malformed' })
})

test('the newest sequence seen before is told to whoever sends or looks up', async () => {
  const { url, post } = await partner()
  const seen = (answer: { headers: Headers }) => answer.headers.get('holdfast-sequence-seen')
  expect(seen(await post(sent))).toBe('0')
  expect(seen(await post(dispatch(keyOf('b'), [order('two')], { sequence: 5 })))).toBe('1')
  expect(seen(await look(`${url}${PATH}/${keyOf('zz')}`))).toBe('5')
})

test('profile and faults are the same after a restart, counts and random numbers too', async () => {
  const first = await partner()
  await put(`${first.url}/profile`, { grade: 'C', lookup_lag_ms: 7 })
  await putFaults(first.url, {
    faults: [{ match: { nth: 1 }, fault: 'status', value: 418 }],
    seed: 4,
    rate: { lose_answer: 0.5 },
  })
  expect((await first.post(sent)).status).toBe(418)
  await first.stop()
  const second = await partner({ dataDir: first.dataDir })
  const shown: unknown = await (await fetch(`${second.url}/faults`)).json()
  expect(shown).toMatchObject({ seed: 4, struck: [1] })
  expect(await (await fetch(`${second.url}/profile`)).json()).toMatchObject({
    grade: 'C',
    dedupe: false,
    lookup_lag_ms: 7,
  })
  const wrong = await put(`${second.url}/profile`, { grade: 'E' })
  expect(wrong).toMatchObject({ status: 422, body: { code: 'settings_invalid', detail: 'grade' } })
})

test('two secrets of a direction are live while a rotation overlaps', async () => {
  const { url: callbackUrl, taken } = await receiver()
  const first = await partner({ callbackUrl })
  const by = (secret: string) => signature('msg_lookup', '', secret)
  const ask = async (secret: string) =>
    (await fetch(`${first.url}${PATH}`, { headers: by(secret) })).status
  expect(await ask(NEW_SECRET)).toBe(401)
  const both = [NEW_SECRET, DISPATCH_SECRET]
  const changed = await put(`${first.url}/secrets`, { dispatch: both, event: both })
  expect(changed.body).toEqual({ dispatch: 2, event: 2 })
  expect([await ask(NEW_SECRET), await ask(DISPATCH_SECRET)]).toEqual([200, 200])
  await first.post(sent)
  await vi.waitFor(() => expect(taken).toHaveLength(2))
  expect(String(taken[0]?.headers['webhook-signature']).split(' ')).toHaveLength(2)
  await put(`${first.url}/secrets`, { dispatch: [NEW_SECRET], event: [NEW_SECRET] })
  await first.stop()
  const second = await partner({ dataDir: first.dataDir })
  const headers = by(DISPATCH_SECRET)
  expect((await fetch(`${second.url}${PATH}`, { headers })).status).toBe(401)
})

test('shipments are listed as their events told them, by page', async () => {
  const { url: callbackUrl, taken } = await receiver()
  const { url, post } = await partner({ callbackUrl })
  for (const name of ['a', 'b', 'c']) await post(dispatch(keyOf(name), [order(name)]))
  await vi.waitFor(() => expect(taken).toHaveLength(6))
  const list = `${url}/holdfast/v1/shipments`
  expect((await fetch(list)).status).toBe(401)
  const page = await look(`${list}?after=0&limit=2`)
  const after = Number(page.body['next_after'])
  const rest = await look(`${list}?after=${after}&limit=2`)
  expect(rest.body['next_after']).toBe(null)
  const listed = [page, rest].flatMap((one) => one.body['shipments']).map((one) => fields(one))
  const told = taken.filter((one) => one.body['type'] === 'shipment.shipped')
  for (const one of listed) {
    const { sequence, occurred_at, dispatch_key, ...shipment } = one
    const event = told.find(({ body }) => body['sequence'] === sequence)
    expect(event?.body).toMatchObject({ occurred_at, dispatch_key, shipments: [shipment] })
  }
  expect(listed).toHaveLength(told.length)
})

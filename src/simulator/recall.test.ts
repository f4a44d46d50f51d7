import { expect, test, vi } from 'vitest'
import {
  dispatch,
  keyOf,
  look,
  order,
  partner,
  PATH,
  receiver,
  recallOf,
} from './sender.fixture.ts'

/** A receiver that takes nothing, so that picking never begins. */
const deaf = () => receiver(() => 503)

test('a key that was recalled before it was seen is never accepted, after a restart too', async () => {
  const { url, dataDir, stop } = await partner()
  const key = keyOf('ghost')
  const answer = await recallOf(url, key, ['one'])
  expect(answer).toMatchObject({
    status: 200,
    body: { tombstone: true, orders: [{ order_key: keyOf('one', 'hfo1'), outcome: 'recalled' }] },
  })
  await stop()
  const again = await partner({ dataDir })
  const late = await again.post(dispatch(key, [order('one')]))
  expect(late).toMatchObject({ status: 410, body: { code: 'recalled' } })
  expect((await look(`${again.url}${PATH}/${key}`)).status).toBe(410)
  expect(await again.rows()).toEqual([])
})

test('what was not picked is recalled, and its order may ship under a new revision', async () => {
  const { url, post, rows, summary } = await partner({ callbackUrl: (await deaf()).url })
  await post(dispatch(keyOf('a'), [order('one')], { batch: 'btc_x' }))
  const answer = await recallOf(url, keyOf('a'), ['one', 'other'])
  expect(answer.body['orders']).toMatchObject([
    { outcome: 'recalled' },
    { outcome: 'unknown_order' },
  ])
  const next = await post(dispatch(keyOf('b'), [order('one')], { batch: 'btc_x', revision: 2 }))
  expect(next.status).toBe(201)
  expect(await rows()).toMatchObject([
    { key: keyOf('a'), recalled_at: expect.any(String), acceptances: 2 },
    { key: keyOf('b'), recalled_at: null, acceptances: 2 },
  ])
  expect((await summary()).body).toMatchObject({ duplicate_fulfillments: 0, recalled: 1 })
})

test('a partial recall leaves the rest to ship', async () => {
  let isOpen = false
  const { url: callbackUrl, taken } = await receiver(() => (isOpen ? 204 : 503))
  const { url, post } = await partner({ callbackUrl })
  await post(dispatch(keyOf('a'), [order('one'), order('two')]))
  await recallOf(url, keyOf('a'), ['one'])
  expect((await look(`${url}${PATH}/${keyOf('a')}`)).body).toMatchObject({
    state: 'recall_partial',
  })
  isOpen = true
  await vi.waitFor(() => expect(taken).toHaveLength(2))
  expect(taken[1]?.body['shipments']).toMatchObject([{ fulfillment_id: 'ful_two' }])
})

test('a recall while goods are picked says in_progress and recalls nothing', async () => {
  const { url: callbackUrl, taken } = await receiver()
  const { url, post } = await partner({ callbackUrl, shipDelayMs: 3_600_000 })
  await post(dispatch(keyOf('a'), [order('one')]))
  await vi.waitFor(async () => {
    expect(taken).toHaveLength(1)
    const found = await look(`${url}${PATH}/${keyOf('a')}`)
    expect(found.body).toMatchObject({ state: 'in_progress' })
  })
  const answer = await recallOf(url, keyOf('a'), ['one'])
  expect(answer.body['orders']).toMatchObject([{ outcome: 'in_progress' }])
})

test('a recall after the shipment is too late and names the parcel', async () => {
  const { url: callbackUrl, taken } = await receiver()
  const { url, post, rows } = await partner({ callbackUrl })
  await post(dispatch(keyOf('a'), [order('one')]))
  await vi.waitFor(() => expect(taken).toHaveLength(2))
  const [row] = await rows()
  const answer = await recallOf(url, keyOf('a'), ['one'])
  expect(answer.body['orders']).toEqual([
    {
      order_key: keyOf('one', 'hfo1'),
      outcome: 'too_late',
      tracking_number: row?.['tracking_number'],
    },
  ])
})

test('a recall sent twice is answered alike; its key with other content is refused', async () => {
  const { url } = await partner()
  const first = await recallOf(url, keyOf('a'), ['one'])
  const second = await recallOf(url, keyOf('a'), ['one'])
  expect(second.text).toBe(first.text)
  expect(second.headers.get('idempotent-replayed')).toBe('true')
  const other = await recallOf(url, keyOf('a'), ['one'], { reason: 'another reason' })
  expect(other).toMatchObject({ status: 422, body: { code: 'key_reused' } })
  const elsewhere = await recallOf(url, keyOf('a'), ['one'], { recalls: keyOf('b') })
  expect(elsewhere).toMatchObject({ status: 400, body: { code: 'key_mismatch' } })
})

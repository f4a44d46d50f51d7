import { Webhook } from 'standardwebhooks'
import { expect, test, vi } from 'vitest'
import { dispatch, EVENT_SECRET, keyOf, order, partner, receiver } from './sender.fixture.ts'
import type { SentEvent } from './sender.fixture.ts'
import { planShipments } from './shipment.ts'

const sequences = (events: readonly SentEvent[]): unknown[] =>
  events.map((one) => one.body['sequence'])
const ids = (events: readonly SentEvent[]): unknown[] =>
  events.map((one) => one.headers['webhook-id'])

test('an acceptance and then its shipment are told, signed for the receiver', async () => {
  const { url: callbackUrl, taken } = await receiver()
  const { post, rows } = await partner({ callbackUrl })
  await post(dispatch(keyOf('a'), [order('one')]))
  await vi.waitFor(() => expect(taken).toHaveLength(2))
  const [row] = await rows()
  const common = { schema: 'holdfast.partner-event/1', partner: 'shipco', dispatch_key: keyOf('a') }
  expect(taken[0]?.body).toEqual({
    ...common,
    type: 'dispatch.accepted',
    sequence: 1,
    occurred_at: row?.['accepted_at'],
    fulfillments: ['ful_one'],
  })
  expect(taken[1]?.body).toEqual({
    ...common,
    type: 'shipment.shipped',
    sequence: 2,
    occurred_at: row?.['shipped_at'],
    shipments: [
      {
        shipment_id: 'shipco-00000001',
        fulfillment_id: 'ful_one',
        carrier: 'ShipCo',
        tracking_number: expect.stringMatching(/^SC[A-Z2-7]{12}$/),
        lines: [{ line_id: '1', sku: 'ELEC-TV', qty: 2 }],
      },
    ],
  })
  for (const { headers, text } of taken) {
    const signed = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, String(value)]),
    )
    expect(new Webhook(EVENT_SECRET).verify(text, signed)).toBeTruthy()
  }
})

test.each([500, 401])(
  'an event is sent until it is taken, in order and with one id and one body (after %i)',
  async (status) => {
    let refusals = 4
    const {
      url: callbackUrl,
      attempts,
      taken,
    } = await receiver(() => (refusals-- > 0 ? status : 204))
    const { post, log } = await partner({ callbackUrl })
    await post(dispatch(keyOf('a'), [order('one')]))
    await post(dispatch(keyOf('b'), [order('two')]))
    await vi.waitFor(() => expect(taken).toHaveLength(4))
    expect(sequences(taken)).toEqual([1, 2, 3, 4])
    expect(new Set(ids(attempts.slice(0, 5))).size).toBe(1)
    expect(new Set(attempts.slice(0, 5).map((one) => one.text)).size).toBe(1)
    expect(log.join()).toContain(`was not taken: ${status}`)
  },
)

test('an event that conflicts waits aside, loudly, while later ones go on', async () => {
  let isOpen = false
  const { url: callbackUrl, taken } = await receiver((event) =>
    event.body['sequence'] === 1 && !isOpen ? 409 : 204,
  )
  const { post, log } = await partner({ callbackUrl })
  await post(dispatch(keyOf('a'), [order('one')]))
  await post(dispatch(keyOf('b'), [order('two')]))
  await vi.waitFor(() => expect(sequences(taken)).toEqual([2, 3]))
  expect(log.join()).toContain('event 1 was not taken: 409')
  isOpen = true
  await vi.waitFor(() => expect(sequences(taken)).toEqual([2, 3, 1, 4]))
})

test('events that were not taken are resumed after a restart with their ids', async () => {
  const deaf = await receiver(() => 503)
  const first = await partner({ callbackUrl: deaf.url })
  await first.post(dispatch(keyOf('a'), [order('one')]))
  await vi.waitFor(() => expect(deaf.attempts.length).toBeGreaterThan(0))
  await first.stop()
  const open = await receiver()
  const second = await partner({ callbackUrl: open.url, dataDir: first.dataDir })
  await vi.waitFor(() => expect(open.taken).toHaveLength(2))
  expect(ids(open.taken)[0]).toBe(ids(deaf.attempts)[0])
  await vi.waitFor(async () =>
    expect((await second.summary()).body).toMatchObject({ events_pending: 0 }),
  )
  await second.stop()
  const third = await partner({ callbackUrl: open.url, dataDir: first.dataDir })
  await third.post(dispatch(keyOf('b'), [order('two')]))
  await vi.waitFor(() => expect(sequences(open.taken)).toEqual([1, 2, 3, 4]))
})

test('goods that were picked when the process ended are shipped by the next', async () => {
  const { url: callbackUrl, taken } = await receiver()
  const first = await partner({ callbackUrl, shipDelayMs: 3_600_000 })
  await first.post(dispatch(keyOf('a'), [order('one')]))
  await vi.waitFor(() => expect(taken).toHaveLength(1))
  await first.stop()
  await partner({ callbackUrl, dataDir: first.dataDir })
  await vi.waitFor(() => expect(taken).toHaveLength(2))
  expect(taken[1]?.body).toMatchObject({ type: 'shipment.shipped' })
})

test('a dispatch too large for one event ships in several, no line twice and none lost', () => {
  const lines = Array.from({ length: 40 }, (_, at) => ({ line_id: `${at}`, sku: 'S', qty: 1 }))
  const orders = [1, 2, 3].map((number) => ({
    number,
    fulfillment_id: `ful_${number}`,
    order_key: '',
    lines,
  }))
  const events = planShipments({ id: 'shipco', name: 'ShipCo' }, orders, { eventBytesMax: 2_000 })
  expect(events.length).toBeGreaterThan(1)
  for (const event of events) expect(JSON.stringify(event).length).toBeLessThanOrEqual(2_001)
  const shipments = events.flat()
  expect(shipments.length).toBeGreaterThan(orders.length)
  expect(new Set(shipments.map((one) => one.shipment_id)).size).toBe(shipments.length)
  expect(new Set(shipments.map((one) => one.tracking_number)).size).toBe(shipments.length)
  for (const { fulfillment_id, lines: ordered } of orders) {
    const shipped = shipments.filter((one) => one.fulfillment_id === fulfillment_id)
    expect(shipped.flatMap((one) => one.lines)).toEqual(ordered)
  }
})

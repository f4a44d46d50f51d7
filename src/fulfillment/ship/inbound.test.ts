import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { newId } from '#kernel/index.ts'
import { signWebhook } from '#platform/webhooks/index.ts'
import { withTransaction } from '#platform/index.ts'
import { applyInbox } from './apply-inbox.ts'
import { shipmentEffect } from './inbound-lattice.ts'
import { recordDeliveries } from './record-deliveries.ts'
import { recordShipments } from './record-shipments.ts'
import { orderFulfillmentStory } from '../order-story.ts'
import { sealBatch } from '../seal/seal-batch.ts'
import { openWarehouse, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'

let house: Warehouse
let sequence = 0
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true })
})
afterAll(() => house.stop())

type Dispatched = { readonly fulfillment: string; readonly key: string; readonly dispatch: string }

/** An order of three units of A, sealed and left in a state. */
async function dispatched(order: string, state = 'accepted'): Promise<Dispatched> {
  const allocations = [{ locationId: 'loc-shipco', qty: 3 }]
  await house.handOver(record(order, { lines: [{ line: 1, sku: 'A', qty: 3, allocations }] }))
  await sealBatch(house.context, 'shipco', house.deps)
  const rows = await house.query(
    `select f.id, d.key, d.id as dispatch from fulfillment.fulfillment_order f
       join fulfillment.dispatch d on d.id = f.dispatch_id where f.order_id = '${order}'`,
  )
  const [row] = rows
  const dispatch = String(row?.['dispatch'])
  await house.asOwner(`update fulfillment.dispatch set state = '${state}' where id = '${dispatch}'`)
  return { fulfillment: String(row?.['id']), key: String(row?.['key']), dispatch }
}

const post = async (body: string, id = newId('evt'), secret = house.secrets.event) => {
  const timestampS = Math.floor(Date.now() / 1_000)
  const headers = { ...signWebhook({ secret, id, timestampS, body: Buffer.from(body) }) }
  const where = `${house.inboundUrl}/partners/shipco/events`
  return (await fetch(where, { method: 'POST', headers, body })).status
}
const event = (type: string, one: Dispatched, more: object): string => {
  sequence += 1
  return JSON.stringify({
    schema: 'holdfast.partner-event/1',
    type,
    partner: 'shipco',
    sequence,
    occurred_at: '2026-02-09T10:00:00.000Z',
    dispatch_key: one.key,
    ...more,
  })
}
const parcel = (one: Dispatched, name: string, qty: number, sku = 'A') => ({
  shipment_id: name,
  fulfillment_id: one.fulfillment,
  carrier: 'ShipCo',
  tracking_number: `SC-${name}`,
  lines: [{ line_id: '1', sku, qty }],
})
const ship = (one: Dispatched, ...parcels: readonly object[]) =>
  post(event('shipment.shipped', one, { shipments: parcels }))
const deliver = (one: Dispatched, ...names: readonly string[]) =>
  post(
    event('shipment.delivered', one, {
      shipments: names.map((name) => ({ shipment_id: name, fulfillment_id: one.fulfillment })),
    }),
  )
const apply = async () => {
  while ((await applyInbox(house.context)) > 0);
}
const stateOf = async (one: Dispatched) => {
  const rows = await house.query(
    `select state from fulfillment.fulfillment_order where id = '${one.fulfillment}'`,
  )
  return rows[0]?.['state']
}
const kindsOf = async (one: Dispatched) => {
  const rows = await house.query(
    `select kind from platform.event where subject_id = '${one.fulfillment}' order by id`,
  )
  return rows.map((row) => row['kind'])
}
const issued = async () => {
  const rows = await house.query(
    `select coalesce(-sum(on_hand_delta), 0)::int as units from inventory.movement where kind = 'issue'`,
  )
  return Number(rows[0]?.['units'])
}

test('an event is kept before it is answered, and kept once', async () => {
  const one = await dispatched('ord_keep')
  const id = newId('evt')
  const body = event('dispatch.accepted', one, { fulfillments: [one.fulfillment] })
  expect(await post(body, id)).toBe(202)
  expect(await post(body, id)).toBe(202)
  expect(await post(`${body} `, id)).toBe(409)
  const rows = await house.query(
    `select count(*)::int as n from fulfillment.inbox where webhook_id = '${id}'`,
  )
  expect(rows).toEqual([{ n: 1 }])
})

test('an event that does not verify is refused and not kept', async () => {
  const before = await house.query(`select count(*) from fulfillment.inbox`)
  expect(await post('{}', newId('evt'), house.secrets.dispatch)).toBe(401)
  const anyone = await fetch(`${house.inboundUrl}/partners/nobody/events`, {
    method: 'POST',
    body: '{}',
  })
  expect(anyone.status).toBe(401)
  expect(await house.query(`select count(*) from fulfillment.inbox`)).toEqual(before)
})

test('a shipment moves its order, issues its stock and counts once however often it is told', async () => {
  const one = await dispatched('ord_ship')
  const before = await issued()
  for (let times = 0; times < 3; times += 1)
    expect(await ship(one, parcel(one, 'p-1', 3))).toBe(202)
  await apply()
  expect(await stateOf(one)).toBe('shipped')
  expect((await issued()) - before).toBe(3)
  expect((await kindsOf(one)).filter((kind) => kind === 'shipment.recorded')).toHaveLength(1)
})

test('an order in two parcels has shipped when the second has', async () => {
  const one = await dispatched('ord_parts')
  await ship(one, parcel(one, 'p-2a', 1))
  await apply()
  expect(await stateOf(one)).toBe('sealed')
  await ship(one, parcel(one, 'p-2b', 2))
  await apply()
  expect(await stateOf(one)).toBe('shipped')
  const story = await orderFulfillmentStory(house.test.database, 'main', 'ord_parts')
  expect(story).toMatchObject({ shipments: [{}, {}], dispatches: [{}], decisions: [{}] })
})

test('more units than ordered are recorded, issued and called a suspected double ship', async () => {
  const one = await dispatched('ord_twice')
  const before = await issued()
  await ship(one, parcel(one, 'p-3', 3))
  await ship(one, parcel(one, 'p-3-again', 3))
  await apply()
  expect(await kindsOf(one)).toContain('double_ship_suspected')
  expect((await issued()) - before).toBe(6)
})

test('goods of an order that is not with the partner are a suspected double ship', async () => {
  const one = await dispatched('ord_gone')
  await house.asOwner(
    `update fulfillment.fulfillment_order set state = 'rejected' where id = '${one.fulfillment}'`,
  )
  await ship(one, parcel(one, 'p-4', 3))
  await apply()
  expect(await stateOf(one)).toBe('rejected')
  expect(await kindsOf(one)).toContain('double_ship_suspected')
})

test('a parcel of nothing we know is told and blocks nothing', async () => {
  const one = await dispatched('ord_next')
  const stranger = { ...one, fulfillment: 'ful_stranger' }
  await ship(one, parcel(stranger, 'p-5', 1), parcel(one, 'p-6', 3))
  await apply()
  expect(await kindsOf(stranger)).toEqual(['shipment.unmatched'])
  expect(await stateOf(one)).toBe('shipped')
})

test.each([
  ['a type that nobody knows', { type: 'shipment.returned' }, 'unknown_type'],
  ['lines without quantities', { shipments: [{ shipment_id: 'x' }] }, 'unreadable'],
  ['another partner’s name', { partner: 'packlogic' }, 'other_partner'],
])('%s is kept aside as such', async (_, change, outcome) => {
  const one = await dispatched(newId('ord'))
  const id = newId('evt')
  const good = event('shipment.shipped', one, { shipments: [parcel(one, id, 3)] })
  const whole: unknown = JSON.parse(good)
  await post(JSON.stringify({ ...Object(whole), ...change }), id)
  await apply()
  const rows = await house.query(`select outcome from fulfillment.inbox where webhook_id = '${id}'`)
  expect(rows).toEqual([{ outcome }])
  expect(await stateOf(one)).toBe('sealed')
})

test.each(['unknown', 'needs_operator'])(
  'a signed acceptance settles a dispatch that is %s',
  async (state) => {
    const one = await dispatched(newId('ord'), state)
    await post(event('dispatch.accepted', one, { fulfillments: ['ful_other'] }))
    await apply()
    expect(await stateOf(one)).toBe('sealed')
    await post(event('dispatch.accepted', one, { fulfillments: [one.fulfillment] }))
    await apply()
    expect(await stateOf(one)).toBe('accepted')
    const rows = await house.query(
      `select state from fulfillment.dispatch where id = '${one.dispatch}'`,
    )
    expect(rows).toEqual([{ state: 'accepted' }])
  },
)

test('a running worker applies what arrives without being asked', async () => {
  const one = await dispatched('ord_live')
  const worker = await house.startWorker()
  try {
    await ship(one, parcel(one, 'p-live', 3))
    await vi.waitFor(async () => expect(await stateOf(one)).toBe('shipped'), 5_000)
  } finally {
    await worker.stop()
  }
})

test('the lattice never goes back and never swallows', () => {
  const ordered = new Map([['1 A', 2]])
  const of = (state: string, units: number, line = '1 A') =>
    shipmentEffect({
      state,
      ordered,
      shipped: new Map([[line, units]]),
      isClaimed: true,
      hasUnitTwice: false,
      isListed: true,
    }).kind
  expect([of('sealed', 2), of('accepted', 2), of('accepted', 1)]).toEqual(['ship', 'ship', 'part'])
  expect([of('shipped', 2), of('delivered', 1)]).toEqual(['late', 'late'])
  expect([of('accepted', 3), of('accepted', 1, '1 B')]).toEqual(['suspect', 'suspect'])
  for (const state of ['held', 'open', 'rejected', 'recalled', 'withdrawn']) {
    expect(of(state, 1)).toBe('suspect')
  }
})

test('an order is delivered when each of its parcels has arrived, and each is told once', async () => {
  const one = await dispatched('ord_arrive')
  await ship(one, parcel(one, 'arrive-1', 1))
  await deliver(one, 'arrive-1')
  await deliver(one, 'arrive-1')
  await apply()
  expect(await stateOf(one)).toBe('sealed')
  await ship(one, parcel(one, 'arrive-2', 2))
  await apply()
  expect(await stateOf(one)).toBe('shipped')
  await deliver(one, 'arrive-2')
  await apply()
  expect(await stateOf(one)).toBe('delivered')
  const kinds = await kindsOf(one)
  expect(kinds.filter((kind) => kind === 'shipment.delivered')).toHaveLength(2)
  expect(kinds.filter((kind) => kind === 'fulfillment.delivered')).toHaveLength(1)
})

test('a delivery that is told before its parcel waits for it', async () => {
  const one = await dispatched('ord_early')
  await deliver(one, 'early-1')
  await apply()
  expect(await kindsOf(one)).not.toContain('shipment.delivered')
  await ship(one, parcel(one, 'early-1', 3))
  await apply()
  expect(await stateOf(one)).toBe('delivered')
  expect((await kindsOf(one)).filter((kind) => kind === 'shipment.delivered')).toHaveLength(1)
})

test('parcel and delivery in two transactions at once end as delivered', async () => {
  const one = await dispatched('ord_cross')
  const delivery = {
    partner: 'shipco',
    shipment_id: 'cross-1',
    fulfillment_id: one.fulfillment,
    deliveredAt: '2026-02-10T09:00:00.000Z',
  }
  const shipped = {
    ...parcel(one, 'cross-1', 3),
    partner: 'shipco',
    shippedAt: '2026-02-09T10:00:00.000Z',
    dispatchKey: one.key,
  }
  const { database } = house.test
  let isSecondDone = false
  const second = await withTransaction(database, async (tx) => {
    await recordShipments(tx, 'main', [shipped])
    expect(await recordDeliveries(tx, 'main', [], [shipped])).toEqual([])
    const other = withTransaction(database, (own) => recordDeliveries(own, 'main', [delivery], []))
    void other.then(() => (isSecondDone = true))
    await vi.waitFor(async () => {
      const waiting = await house.query(
        `select pid from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`,
      )
      expect(isSecondDone || waiting.length > 0).toBe(true)
    })
    return [other]
  })
  expect((await second[0])?.map((told) => told.kind)).toEqual([
    'shipment.delivered',
    'fulfillment.delivered',
  ])
  expect(await stateOf(one)).toBe('delivered')
})

test('a delivery of a parcel of another order moves neither', async () => {
  const one = await dispatched('ord_mine')
  const other = await dispatched('ord_other')
  await ship(one, parcel(one, 'mine-1', 3))
  await deliver(other, 'mine-1')
  await apply()
  expect([await stateOf(one), await stateOf(other)]).toEqual(['shipped', 'sealed'])
})

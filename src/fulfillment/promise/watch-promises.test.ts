import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { caseEntries, listCases } from '#cases/index.ts'
import { pausePartner, resumePartner } from '#partners/index.ts'
import { resolveDispatch } from '../dispatch/resolve-dispatch.ts'
import { laneDeps } from '../dispatch/lane-deps.ts'
import { listDispatches } from '../dispatch-queries.ts'
import { listFulfillments } from '../fulfillment-queries.ts'
import { placeHold } from '../hold/change-holds.ts'
import { oldestItems } from '../oldest-items.ts'
import type { FulfillmentWorker } from '../run-worker.ts'
import { openWarehouse, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'
import { watchUnaccepted, watchUnshipped } from './watch-promises.ts'

let house: Warehouse
let worker: FulfillmentWorker | undefined
let order = ''
let count = 0
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true })
})
afterAll(() => house.stop())
beforeEach(() => {
  count += 1
  order = `ord_${count}`
})
afterEach(async () => {
  await worker?.stop()
  worker = undefined
  await house.faults([])
})

const HOUR = 3_600_000
const inHours = (hours: number) => Math.floor(Date.now() / 1_000) * 1_000 + hours * HOUR
const fulfillment = async () => {
  const [row] = await house.query(
    `select f.id, f.state, f.ship_by_alarm, d.id as dispatch, d.state as dispatch_state, d.attempt, d.last_code
       from fulfillment.fulfillment_order f
       left join fulfillment.dispatch d on d.id = f.dispatch_id where f.order_id = '${order}'`,
  )
  return row ?? {}
}
const idOf = async () => String((await fulfillment())['id'])
const aged = () =>
  house.asOwner(
    `update fulfillment.fulfillment_order set created_at = created_at - interval '1 minute'`,
  )
const take = async (hours: number, over: Parameters<typeof record>[1] = {}) => {
  await house.handOver(record(order, { shipByMs: inHours(hours), ...over }))
  await aged()
}
const unaccepted = () => watchUnaccepted({ context: house.context })
const unshipped = () => watchUnshipped(laneDeps(house.deps))
const casesOf = async () => {
  const all = await listCases(house.context.database, 'main', { limit: 200 })
  return all.filter((one) => one.order_id === order)
}
const eventsOf = async () => {
  const rows = await house.query(
    `select kind from platform.event where subject_id = '${await idOf()}' and kind like '%ship_by%' order by id`,
  )
  return rows.map((row) => row['kind'])
}
const reaches = (state: string) =>
  vi.waitFor(async () => expect(await fulfillment()).toMatchObject({ state }), 10_000)
const accepted = async (hours: number) => {
  await take(hours)
  worker = await house.startWorker()
  await reaches('accepted')
  await worker.stop()
}
const passed = async () =>
  house.asOwner(
    `update fulfillment.fulfillment_order set ship_by = now() - interval '1 minute' where order_id = '${order}'`,
  )

describe('a promise nearer than four hours', () => {
  test('that nobody accepted opens one case, whoever looks and however often', async () => {
    await take(3)
    await Promise.all([unaccepted(), unaccepted(), unaccepted()])
    await unaccepted()
    const cases = await casesOf()
    expect(cases).toMatchObject([
      { kind: 'ship_by_at_risk', state: 'open', partner_id: 'shipco', subject_id: await idOf() },
    ])
    const entries = await caseEntries(house.context.database, 'main', cases[0]?.id ?? '')
    expect(entries).toMatchObject([{ kind: 'evidence', data: { state: 'open', dispatch: null } }])
    expect(await eventsOf()).toEqual(['fulfillment.ship_by_at_risk'])
    const listed = await listFulfillments(house.context.database, 'main', {
      limit: 10,
      alarm: 'at_risk',
    })
    expect(listed.map((one) => one.id)).toContain(await idOf())
    const waiting = await oldestItems(house.context.database, 'main')
    expect(waiting.find((one) => one.stage === 'ship_by_at_risk')?.count).toBeGreaterThan(0)
  })

  test('is told of what is on hold, with the hold', async () => {
    await take(3)
    orThrow(
      await placeHold(house.context, {
        fulfillment: await idOf(),
        actor: 'ann',
        reason: 'address',
      }),
    )
    await unaccepted()
    const [one] = await casesOf()
    expect(one?.title).toContain('it is held (address)')
  })

  test('is not told of what is farther, has no promise, or has come this moment', async () => {
    await take(5)
    await house.handOver(record(`${order}b`, { shipByMs: null }))
    await house.handOver(record(`${order}c`, { shipByMs: inHours(1) }))
    await unaccepted()
    const rows = await house.query(
      `select ship_by_alarm from fulfillment.fulfillment_order where order_id like '${order}%'`,
    )
    expect(rows.map((row) => row['ship_by_alarm'])).toEqual([null, null, null])
  })

  test('is taken back when the partner accepts, and its case closes with its history', async () => {
    await take(3)
    await unaccepted()
    worker = await house.startWorker()
    await reaches('accepted')
    await vi.waitFor(async () => expect((await casesOf())[0]?.state).toBe('resolved'), 10_000)
    const [one] = await casesOf()
    const entries = await caseEntries(house.context.database, 'main', one?.id ?? '')
    expect(entries.map((entry) => [entry.kind, entry.text])).toContainEqual([
      'resolved',
      'It is accepted now.',
    ])
    expect(await eventsOf()).toEqual(['fulfillment.ship_by_at_risk', 'fulfillment.ship_by_settled'])
    expect(await fulfillment()).toMatchObject({ ship_by_alarm: null })
  })
})

describe('the hard stop', () => {
  const refuse = () => house.faults([{ match: { method: 'POST' }, fault: '429' }])

  test('sends for the first time, and never again by itself after a definite failure', async () => {
    await refuse()
    await take(3)
    worker = await house.startWorker()
    await vi.waitFor(
      async () => expect(await fulfillment()).toMatchObject({ dispatch_state: 'needs_operator' }),
      10_000,
    )
    expect(await fulfillment()).toMatchObject({ attempt: 1 })
    const [told] = await house.query(
      `select data from platform.event where kind = 'dispatch.stopped'
          and subject_id = '${String((await fulfillment())['dispatch'])}'`,
    )
    expect(told).toMatchObject({ data: { stopped_by: 'ship_by_near' } })
  })

  test('stops what was queued again while its promise was far, in a paused lane too; a person may send it', async () => {
    await take(30)
    await refuse()
    worker = await house.startWorker()
    await vi.waitFor(
      async () =>
        expect(await fulfillment()).toMatchObject({ dispatch_state: 'queued', attempt: 1 }),
      10_000,
    )
    await pausePartner(house.context, { partner: 'shipco', actor: 'ann', reason: 'stocktaking' })
    await house.asOwner(`update fulfillment.dispatch set ship_by = now() + interval '3 hours'
       where id = '${String((await fulfillment())['dispatch'])}'`)
    worker.wake()
    await vi.waitFor(
      async () =>
        expect(await fulfillment()).toMatchObject({
          dispatch_state: 'needs_operator',
          last_code: 'ship_by_near',
        }),
      10_000,
    )
    await house.faults([])
    await house.asOwner(`update fulfillment.lane set rate_per_s = null, throttled_at = null`)
    orThrow(await resumePartner(house.context, { partner: 'shipco', actor: 'ann', reason: 'done' }))
    const dispatch = String((await fulfillment())['dispatch'])
    orThrow(
      await resolveDispatch(house.context, {
        dispatch,
        outcome: 'not_received',
        actor: 'ann',
        note: 'they have room again',
      }),
    )
    await reaches('accepted')
    expect(await fulfillment()).toMatchObject({ attempt: 2 })
  })

  test('asks for what is unknown as ever: an acceptance that was not heard of is found', async () => {
    await house.faults([{ match: { method: 'POST', nth: 1 }, fault: 'lose_answer' }])
    await take(3)
    worker = await house.startWorker()
    await reaches('accepted')
    expect(await fulfillment()).toMatchObject({ attempt: 1 })
  })
})

describe('a promise that an acceptance did not keep', () => {
  test('is asked for once, and is one case with the answer of the partner', async () => {
    await accepted(30)
    await passed()
    await Promise.all([unshipped(), unshipped()])
    await unshipped()
    const cases = await casesOf()
    expect(cases).toMatchObject([{ kind: 'ship_by_missed', state: 'open', is_overdue: true }])
    const entries = await caseEntries(house.context.database, 'main', cases[0]?.id ?? '')
    expect(entries).toMatchObject([{ data: { asked: { answer: 'found' } } }])
    const atRisk = await listDispatches(house.context.database, 'main', {
      limit: 10,
      isAtRisk: true,
    })
    expect(atRisk.map((one) => one.id)).toContain((await fulfillment())['dispatch'])
  })

  test('is a case too where the partner does not answer', async () => {
    await accepted(30)
    await passed()
    await house.faults([{ match: { method: 'GET' }, fault: 'status', value: 500 }])
    await unshipped()
    const [one] = await casesOf()
    const [entry] = await caseEntries(house.context.database, 'main', one?.id ?? '')
    expect(entry?.data).toMatchObject({ asked: { answer: expect.stringMatching(/^lookup_http_/) } })
  })

  test('that nobody looked into before the parcel left is none; one that is told of closes by the parcel', async () => {
    await accepted(30)
    await passed()
    await house.asOwner(
      `update fulfillment.fulfillment_order set state = 'shipped' where order_id = '${order}'`,
    )
    await unshipped()
    expect(await casesOf()).toEqual([])
    await house.asOwner(
      `update fulfillment.fulfillment_order set state = 'accepted' where order_id = '${order}'`,
    )
    await unshipped()
    expect(await casesOf()).toMatchObject([{ state: 'open' }])
    await house.asOwner(
      `update fulfillment.fulfillment_order set state = 'shipped' where order_id = '${order}'`,
    )
    await unaccepted()
    expect(await casesOf()).toMatchObject([{ state: 'resolved' }])
    expect(await eventsOf()).toEqual(['fulfillment.ship_by_missed', 'fulfillment.ship_by_settled'])
  })
})

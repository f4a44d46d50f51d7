import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { FulfillmentWorker } from '../run-worker.ts'
import { openWarehouse, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'
import { REHEARSAL_TIMING } from './dispatch-timing.ts'

let house: Warehouse
let worker: FulfillmentWorker | undefined
let count = 0
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true })
})
afterAll(() => house.stop())
beforeEach(() => house.regrade('A'))
afterEach(async () => {
  await worker?.stop()
  worker = undefined
  await house.faults([])
  await house.asOwner(`update fulfillment.lane set rate_per_s = null, throttled_at = null`)
})

/** Seconds become milliseconds: what is waited for is a state, never a time. */
const SHORT = {
  ...REHEARSAL_TIMING,
  leaseMs: 4_000,
  settleMs: 50,
  absenceGapMs: 20,
  retryMaxMs: 20,
  lookupMaxMs: 20,
  breakerMs: 40,
}
const hand = async (): Promise<string> => {
  count += 1
  const order = `ord_lane_${count}`
  await house.handOver(record(order))
  return order
}
const start = async () => {
  worker = await house.startWorker({ timing: SHORT })
}
const dispatchOf = async (order: string) => {
  const rows = await house.query(
    `select d.id, d.state, d.attempt, d.key, d.last_code, d.absent_since is not null as "isAbsent"
       from fulfillment.fulfillment_order f
       join fulfillment.dispatch d on d.id = f.dispatch_id where f.order_id = '${order}'`,
  )
  return rows[0] ?? {}
}
const reaches = (order: string, wanted: object) =>
  vi.waitFor(async () => expect(await dispatchOf(order)).toMatchObject(wanted), 20_000)
const acceptances = async (order: string) => {
  const { key } = await dispatchOf(order)
  return (await house.ledger()).filter((row) => row.key === key).map((row) => row.acceptances)
}
/** Lets the settle window of class C be over, as if the intent were older. */
const age = (order: string) =>
  house.asOwner(
    `update fulfillment.dispatch d set intent_at = now() - interval '1 hour', next_attempt_at = now()
       from fulfillment.fulfillment_order f where f.dispatch_id = d.id and f.order_id = '${order}'`,
  )

describe('a partner of class C, which keeps no keys', () => {
  beforeEach(() => house.regrade('C'))

  test('is not sent to again inside the settle window, however often it says "not found"', async () => {
    await house.faults([
      { match: { method: 'POST', nth: 1 }, fault: 'lose_request' },
      { match: { method: 'GET' }, fault: 'delay_ms', value: 0 },
    ])
    const order = await hand()
    await start()
    await reaches(order, { state: 'unknown' })
    await untilProbed()
    expect(await dispatchOf(order)).toMatchObject({ state: 'unknown', attempt: 1, isAbsent: false })
    await age(order)
    await reaches(order, { state: 'accepted', attempt: 2 })
    expect(await acceptances(order)).toEqual([1])
  })

  test('is believed at once where it says "found"', async () => {
    await house.faults([{ match: { method: 'POST', nth: 1 }, fault: 'lose_answer' }])
    const order = await hand()
    await start()
    await reaches(order, { state: 'accepted', attempt: 1, last_code: 'lookup_found' })
    expect(await acceptances(order)).toEqual([1])
  })
})

describe('a partner that does not answer', () => {
  test('is probed by look-ups, gets no order meanwhile, and is sent to when it is back', async () => {
    await house.faults([
      { match: { method: 'POST' }, fault: 'status', value: 500 },
      // Look-ups alone: the list that the handshake reads is answered.
      { match: { method: 'GET', path: '/holdfast/v1/dispatches/*' }, fault: 'status', value: 500 },
    ])
    const before = await Promise.all(Array.from({ length: 6 }, hand))
    await start()
    await vi.waitFor(async () => {
      const rows = await house.query(`select 1 from fulfillment.dispatch where state = 'unknown'`)
      expect(rows.length).toBeGreaterThan(0)
    }, 10_000)
    const { asked, sent } = await untilProbed()
    expect(asked).toBeGreaterThan(5)
    const after = await hand()
    const wasSent = sent
    await untilProbed()
    expect((await struck()).sent).toBe(wasSent)
    expect(await house.query(openOrders)).toHaveLength(1)
    await house.faults([])
    for (const order of [...before, after]) {
      await reaches(order, { state: 'accepted' })
      expect(new Set(await acceptances(order))).toEqual(new Set([1]))
    }
  })
})

const openOrders = `select id from fulfillment.fulfillment_order where state = 'open'`

/** How often the two rules of the fault script struck: orders sent, and look-ups. */
async function struck(): Promise<{ readonly sent: number; readonly asked: number }> {
  const answer: unknown = await (await fetch(`${house.url}/faults`)).json()
  const list =
    typeof answer === 'object' && answer !== null && 'struck' in answer ? answer.struck : []
  const [sent, asked] = Array.isArray(list) ? list : []
  return { sent: Number(sent), asked: Number(asked) }
}

/** Waits until the partner was asked five times more, which only look-ups and probes do. */
async function untilProbed() {
  const before = await struck()
  await vi.waitFor(async () => {
    expect((await struck()).asked).toBeGreaterThan(before.asked + 5)
  }, 20_000)
  return struck()
}

describe('a partner that answers 429', () => {
  test('is sent to at half the rate, and then let go again', async () => {
    await house.faults([{ match: { method: 'POST', nth: 1 }, fault: '429', retry_after: 1 }])
    const first = await hand()
    await start()
    await reaches(first, { attempt: 1, state: 'queued' })
    const rate = async () =>
      (await house.query(`select rate_per_s from fulfillment.lane`))[0]?.['rate_per_s']
    await vi.waitFor(async () => expect(await rate()).toBeGreaterThan(0))
    await reaches(first, { state: 'accepted' })
    await house.asOwner(
      `update fulfillment.lane set throttled_at = now() - interval '2 minutes', rate_per_s = 400,
         tokens = 5`,
    )
    const second = await hand()
    await reaches(second, { state: 'accepted' })
    expect(await rate()).toBeNull()
  })

  test('never gets more than its tokens in one claim', async () => {
    await house.asOwner(
      `update fulfillment.lane set rate_per_s = 0.0001, tokens = 1, tokens_at = now(),
         throttled_at = now()`,
    )
    const orders = [await hand(), await hand()]
    const { sealBatch } = await import('../seal/seal-batch.ts')
    await sealBatch(house.context, 'shipco', house.deps)
    await house.handOver(record('ord_lane_more'))
    await sealBatch(house.context, 'shipco', house.deps)
    await start()
    await vi.waitFor(async () => {
      const rows = await house.query(
        `select state from fulfillment.dispatch where state in ('queued', 'accepted')
          order by sequence desc limit 2`,
      )
      expect(rows.map((row) => String(row['state'])).toSorted()).toEqual(['accepted', 'queued'])
    }, 10_000)
    expect(orders).toHaveLength(2)
  })
})

describe('a partner that restored an old backup', () => {
  test('is stopped by its own sequence before anything is sent again, and a case says so', async () => {
    const before = await hand()
    await start()
    await reaches(before, { state: 'accepted' })
    await worker?.stop()
    worker = undefined
    // It forgets the last acceptances, and the request that finds it so is lost on its way.
    await house.faults([
      { match: { method: 'GET', nth: 1 }, fault: 'partner_restore', value: 3 },
      { match: { method: 'POST', nth: 1 }, fault: 'lose_request' },
    ])
    const order = await hand()
    await start()
    await reaches(order, { state: 'needs_operator', attempt: 1 })
    expect(await house.query(`select paused_reason from partners.partner`)).toEqual([
      { paused_reason: 'sequence_regressed' },
    ])
    await vi.waitFor(async () => {
      const cases = await house.query(`select kind, subject_id from cases."case"`)
      expect(cases).toEqual([{ kind: 'partner_regressed', subject_id: 'shipco' }])
    })
    expect(await acceptances(order)).toEqual([])
    await house.asOwner(`update partners.partner set paused_at = null, paused_reason = null`)
  })
})

import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { orThrow, refuse } from '#kernel/index.ts'
import { closeDatabase, openDatabase } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { handOverReader } from '#wire/index.ts'
import { createTestContext, createTestDatabase } from '../../../tests/database.ts'
import type { TestDatabase } from '../../../tests/database.ts'
import { anOrder, aRequest, stockShop, testPlacing } from '../../../tests/shop.ts'
import { handOverOnce } from './hand-over.ts'

const ORDERS = 5

let db: TestDatabase
let context: Context
beforeAll(async () => {
  db = await createTestDatabase()
  context = await createTestContext(db.database)
  await stockShop(context, { A: 1_000 })
})
afterAll(() => db.drop())
beforeEach(async () => {
  await db.database.pool.query('delete from orders.handover_outbox')
  const { place } = testPlacing(context)
  await Promise.all(Array.from({ length: ORDERS }, () => place(aRequest(anOrder()))))
})

/** How many records a sender that comes now would carry; they are refused, so nothing is sent. */
async function recordsFree(): Promise<number> {
  let records = 0
  await handOverOnce(context, (sealed) => {
    records = sealed.records
    return Promise.resolve(refuse('handover_conflict', 'only asked'))
  })
  return records
}

/** Starts a hand-over that travels until it is told how it ends. */
function startTravelling(from: Context = context) {
  const arrival = Promise.withResolvers<never>()
  const departure = Promise.withResolvers<number>()
  const round = handOverOnce(from, (sealed) => {
    departure.resolve(sealed.records)
    return arrival.promise
  })
  return { round, left: departure.promise, break: arrival.reject }
}

test('what one sender carries no other takes, and a fault gives it back', async () => {
  const sender = startTravelling()
  expect(await sender.left).toBe(ORDERS)
  expect(await recordsFree()).toBe(0)
  sender.break(new Error('the other end is gone'))
  await expect(sender.round).rejects.toThrow('the other end is gone')
  expect(await recordsFree()).toBe(ORDERS)
})

test('a sender that dies gives back what it carries, without a lease to wait for', async () => {
  // The death of a process is the end of its connections; this one has one of its own to lose.
  const database = openDatabase(db.runtimeUrl, { connectionsMax: 1 })
  database.pool.on('connect', (client) => client.on('error', () => undefined))
  const sender = startTravelling({ ...context, database })
  await sender.left
  expect(await recordsFree()).toBe(0)
  await db.database.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and state = 'idle in transaction'`,
  )
  await vi.waitFor(async () => expect(await recordsFree()).toBe(ORDERS))
  sender.break(new Error('nobody hears this'))
  await expect(sender.round).rejects.toThrow('nobody hears this')
  await closeDatabase(database)
})

test('a batch may travel for longer than a transaction may idle', async () => {
  const database = openDatabase(db.runtimeUrl, { connectionsMax: 1 })
  database.pool.on('connect', (client) =>
    client.query(`set idle_in_transaction_session_timeout = '50ms'`),
  )
  const sender = startTravelling({ ...context, database })
  await sender.left
  await vi.waitFor(async () => {
    const { rows } = await db.database.pool.query(
      `select state from pg_stat_activity
        where datname = current_database() and state = 'idle in transaction'
          and state_change < now() - interval '200 milliseconds'`,
    )
    expect(rows).toHaveLength(1)
  })
  sender.break(new Error('it never arrived'))
  await expect(sender.round).rejects.toThrow('it never arrived')
  await closeDatabase(database)
})

/** Waits for nobody: every row may be tried now. */
const allDue = () => db.database.pool.query('update orders.handover_outbox set not_before = now()')

test('a refused batch stays in the outbox, and its orders travel in ever smaller batches', async () => {
  const round = await handOverOnce(context, () =>
    Promise.resolve(refuse('order_digest_mismatch', 'one of them is wrong')),
  )
  expect(round).toMatchObject({ records: 0, refusal: { code: 'order_digest_mismatch' } })
  const sizes: number[] = []
  // Each time the same rows would be tried: what is refused more often waits behind the others.
  for (let attempt = 0; attempt < 4; attempt += 1) {
    await allDue()
    sizes.push(await recordsFree())
  }
  expect(sizes).toEqual([ORDERS, 4, 1, 1])
})

test('orders that were never refused do not wait behind those that were', async () => {
  await recordsFree()
  await allDue()
  const { place } = testPlacing(context)
  await place(aRequest(anOrder()))
  expect(await recordsFree()).toBe(1)
  expect(await recordsFree()).toBe(ORDERS)
})

/** The order that was tried last. */
const lastTried = async () => {
  const { rows } = await db.database.pool.query<{ order_id: string }>(
    `select order_id from orders.handover_outbox order by tried_at desc nulls last limit 1`,
  )
  return rows[0]?.order_id
}

test('the least recently tried goes first, however often others were refused and whatever is due', async () => {
  // More than one look takes in; each alone; the one with the most attempts was tried the longest ago.
  const { place } = testPlacing(context)
  await Promise.all(Array.from({ length: 41 }, () => place(aRequest(anOrder()))))
  const { rows } = await db.database.pool.query<{ order_id: string }>(
    `update orders.handover_outbox q
        set attempts = 3 + o.place, tried_at = now() - make_interval(mins => o.place::int)
       from (select order_id, row_number() over (order by order_id) as place
               from orders.handover_outbox) o
      where o.order_id = q.order_id
     returning q.order_id`,
  )
  const expected = rows
    .map((row) => row.order_id)
    .toSorted()
    .toReversed()
  const tried: unknown[] = []
  for (let round = 0; round < ORDERS + 41; round += 1) {
    await allDue()
    expect(await recordsFree()).toBe(1)
    tried.push(await lastTried())
  }
  expect(tried).toEqual(expected)
})

test('one that is refused alone waits for minutes, and never for more than five', async () => {
  const seconds: number[] = []
  await db.database.pool.query(`update orders.handover_outbox set attempts = 3, tried_at = now()`)
  await db.database.pool.query(
    `delete from orders.handover_outbox where order_id <> (select min(order_id) from orders.handover_outbox)`,
  )
  for (let round = 0; round < 7; round += 1) {
    await allDue()
    expect(await recordsFree()).toBe(1)
    const { rows } = await db.database.pool.query<{ s: number }>(
      `select round(extract(epoch from not_before - tried_at))::int as s from orders.handover_outbox`,
    )
    seconds.push(rows[0]?.s ?? 0)
  }
  expect(seconds).toEqual([15, 30, 60, 120, 240, 300, 300])
})

/** What the next hand-over would carry: every allocation of every record. */
async function allocationsSent() {
  const reader = handOverReader()
  await handOverOnce(context, (sealed) => {
    for (const envelope of sealed.envelopes) orThrow(reader.push(envelope))
    return Promise.resolve(refuse('handover_conflict', 'only asked'))
  })
  const { records } = orThrow(reader.finish())
  return records.flatMap(({ lines }) => lines.flatMap(({ allocations }) => allocations))
}

test('a repeat is the record that was decided, also after its units have left', async () => {
  const sent = await allocationsSent()
  expect(sent.length).toBeGreaterThanOrEqual(ORDERS)
  await db.asOwner(`
    insert into inventory.movement
      (merchant_id, subject_id, line_no, location_id, kind, source_id, sku, on_hand_delta, reserved_delta)
    select merchant_id, subject_id, line_no, location_id, 'issue', 'shp_gone', sku, -sum(reserved_delta),
           -sum(reserved_delta)
      from inventory.movement where subject_id in (select order_id from orders.handover_outbox)
     group by 1, 2, 3, 4, sku`)
  // Refused before, the orders travel four to a batch.
  await allDue()
  await db.asOwner('update orders.handover_outbox set attempts = 0')
  expect(await allocationsSent()).toEqual(sent)
})

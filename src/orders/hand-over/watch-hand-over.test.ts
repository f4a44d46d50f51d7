import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { accept, refuse } from '#kernel/index.ts'
import type { Context } from '#platform/index.ts'
import { caseEntries, listCases, resolveCase } from '#cases/index.ts'
import { createTestContext, createTestDatabase, silentLog } from '../../../tests/database.ts'
import type { TestDatabase } from '../../../tests/database.ts'
import { anOrder, aRequest, stockShop, testPlacing } from '../../../tests/shop.ts'
import { decideOrder } from '../decide-order.ts'
import { startOrdersWorker } from '../run-orders.ts'
import { handOverOnce } from './hand-over.ts'
import { watchHandOver } from './watch-hand-over.ts'

let db: TestDatabase
let context: Context
const told: object[] = []
beforeAll(async () => {
  db = await createTestDatabase()
  const log = { ...silentLog, error: (fields: object) => void told.push(fields) }
  context = await createTestContext(db.database, log)
  await stockShop(context, { A: 1_000 })
})
afterAll(() => db.drop())
beforeEach(async () => {
  await db.asOwner('delete from orders.handover_outbox')
  await passes('16 minutes')
  await watchHandOver(context)
  told.length = 0
})

const waits = (minutes: number) =>
  db.asOwner(
    `update orders.handover_outbox set recorded_at = now() - interval '${minutes} minutes', not_before = now()`,
  )
/** The alarms that stand have stood for so long. */
const passes = (time: string) =>
  db.asOwner(`update orders.handover_alarm set raised_at = raised_at - interval '${time}'`)
const place = async (): Promise<string> => {
  const placed = await testPlacing(context).place(aRequest(anOrder()))
  return placed.kind === 'refused' ? '' : placed.order.id
}
const refuseAll = () =>
  handOverOnce(context, () => Promise.resolve(refuse('handover_conflict', 'not this one')))
const open = async () => {
  const all = await listCases(context.database, 'main', { kind: 'overdue_handover', limit: 50 })
  return all.filter((one) => one.state === 'open')
}

test('decisions that nobody takes become one case after a quarter of an hour, and an error', async () => {
  await place()
  await place()
  await waits(14)
  expect(await watchHandOver(context)).toBe(false)
  expect(await open()).toEqual([])
  await waits(16)
  await Promise.all([watchHandOver(context), watchHandOver(context), watchHandOver(context)])
  await watchHandOver(context)
  const [one, ...others] = await open()
  expect(others).toEqual([])
  expect(one).toMatchObject({ subject_id: 'hand-over', money_minor: 1_000, currency: 'GBP' })
  expect(one?.title).toMatch(/^Decisions on 2 orders wait .*\(no refusal is recorded\)/)
  expect(told).toMatchObject([{ code: 'overdue_handover', decisions: 2 }])
})

test('an order is told once, however many of its decisions wait', async () => {
  const orderId = await place()
  const wish = { orderId, actor: 'person:ada', reason: 'asked' }
  const unseen = () => Promise.resolve({ kind: 'stands' as const, parts: [] })
  await decideOrder(testPlacing(context).deps, unseen, { ...wish, verdict: 'hold' })
  await waits(16)
  await watchHandOver(context)
  expect(await open()).toMatchObject([{ money_minor: 500 }])
  expect(told).toMatchObject([{ decisions: 2, first_order_id: orderId }])
})

test('the case stays while one of them waits, and closes when none does', async () => {
  await place()
  await place()
  await waits(16)
  await watchHandOver(context)
  const [one] = await open()
  await db.asOwner(`delete from orders.handover_outbox where ctid in
               (select ctid from orders.handover_outbox limit 1)`)
  expect(await watchHandOver(context)).toBe(false)
  expect(await open()).toHaveLength(1)
  await db.asOwner('delete from orders.handover_outbox')
  await passes('16 minutes')
  expect(await watchHandOver(context)).toBe(true)
  expect(await open()).toEqual([])
  const entries = await caseEntries(context.database, 'main', one?.id ?? '')
  expect(entries.map((entry) => entry.text)).toContain('Nothing waits for this cause any more.')
})

test('what somebody closed by hand and still waits is told again the next day', async () => {
  await place()
  await waits(16)
  await watchHandOver(context)
  const [one] = await open()
  const wish = { case: one?.id ?? '', actor: 'person:ada', outcome: 'seen' }
  await resolveCase(context, wish)
  expect(await watchHandOver(context)).toBe(false)
  await passes('25 hours')
  expect(await watchHandOver(context)).toBe(true)
  expect(await open()).toHaveLength(1)
})

test('one that is refused for good does not hide that nobody answers, nor how many it has become', async () => {
  await place()
  await refuseAll()
  await waits(16)
  await watchHandOver(context)
  expect((await open()).map((one) => one.subject_id)).toEqual(['hand-over:handover_conflict'])
  await place()
  await waits(16)
  await watchHandOver(context)
  expect((await open()).map((one) => one.subject_id).toSorted()).toEqual([
    'hand-over',
    'hand-over:handover_conflict',
  ])
  for (let n = 0; n < 8; n += 1) await place()
  await waits(16)
  expect(await watchHandOver(context)).toBe(false)
  await place()
  await waits(16)
  expect(await watchHandOver(context)).toBe(true)
  const away = (await open()).find((one) => one.subject_id === 'hand-over')
  expect(away).toMatchObject({ money_minor: 5_000 })
  expect(away?.title).toMatch(/^Decisions on 10 orders wait/)
  expect(told.at(-1)).toMatchObject({ decisions: 10 })
})

test('what is left of many does not hide the next many', async () => {
  for (let n = 0; n < 10; n += 1) await place()
  await waits(16)
  await watchHandOver(context)
  await db.asOwner(`delete from orders.handover_outbox where ctid not in
               (select ctid from orders.handover_outbox limit 1)`)
  await watchHandOver(context)
  const before = (await open())[0]?.id
  for (let n = 0; n < 9; n += 1) await place()
  await waits(16)
  expect(await watchHandOver(context)).toBe(true)
  const after = await open()
  expect(after).toHaveLength(1)
  expect(after[0]?.id).not.toBe(before)
})

test('the worker tells it also when fulfillment, once it has answered, throws at every hand-over', async () => {
  await place()
  await waits(16)
  let ms = 0
  const { deps } = testPlacing({
    ...context,
    // Time enough between two looks for all that is due by the clock.
    clock: { nowMs: () => Date.now(), monotonicMs: () => (ms += 10_000) },
  })
  const away = () => Promise.reject(new Error('unavailable'))
  const agreeOnLimits = () => Promise.resolve(accept(undefined))
  const worker = startOrdersWorker(deps, {
    agreeOnLimits,
    handOver: away,
    withdraw: away,
    decide: away,
  })
  onTestFinished(worker.stop)
  await vi.waitFor(async () => expect(await open()).toHaveLength(1), 10_000)
})

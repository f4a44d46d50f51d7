import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { refuse } from '#kernel/index.ts'
import type { Context } from '#platform/index.ts'
import { caseEntries, listCases } from '#cases/index.ts'
import { createTestContext, createTestDatabase, silentLog } from '../../../tests/database.ts'
import type { TestDatabase } from '../../../tests/database.ts'
import { anOrder, aRequest, stockShop, testPlacing } from '../../../tests/shop.ts'
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

const owner = async (text: string) => {
  const client = new Client({ connectionString: db.ownerUrl })
  await client.connect()
  await client.query(text).finally(() => client.end())
}
const waits = (minutes: number) =>
  owner(
    `update orders.handover_outbox set recorded_at = now() - interval '${minutes} minutes', not_before = now()`,
  )
const place = () => testPlacing(context).place(aRequest(anOrder()))
const cases = () => listCases(context.database, 'main', { kind: 'overdue_handover', limit: 10 })

test('decisions that nobody takes become one case after a quarter of an hour, and an error', async () => {
  await place()
  await place()
  await waits(14)
  expect(await watchHandOver(context)).toBe(false)
  expect(await cases()).toEqual([])
  await waits(16)
  await Promise.all([watchHandOver(context), watchHandOver(context), watchHandOver(context)])
  await watchHandOver(context)
  const [one, ...others] = await cases()
  expect(others).toEqual([])
  expect(one).toMatchObject({ state: 'open', subject_id: 'hand-over', currency: 'GBP' })
  expect(one?.title).toMatch(/^2 decisions wait for the hand-over .*fulfillment does not answer/)
  expect(told).toMatchObject([{ code: 'overdue_handover', decisions: 2 }])
})

test('the case stays while one of them waits, and closes when none does', async () => {
  await waits(16)
  await handOverOnce(context, () => Promise.resolve(refuse('handover_conflict', 'not this one')))
  expect(await watchHandOver(context)).toBe(false)
  expect(await cases()).toMatchObject([{ state: 'open' }])
  await owner(`delete from orders.handover_outbox`)
  expect(await watchHandOver(context)).toBe(true)
  const [one] = await cases()
  expect(one).toMatchObject({ state: 'resolved' })
  const entries = await caseEntries(context.database, 'main', one?.id ?? '')
  expect(entries.map((entry) => entry.text)).toContain(
    'All of them were handed over, or withdrawn.',
  )
})

test('what is refused again later is told anew, with the code of its refusal', async () => {
  await place()
  await waits(1)
  await handOverOnce(context, () => Promise.resolve(refuse('handover_conflict', 'not this one')))
  await waits(16)
  await watchHandOver(context)
  const open = (await cases()).filter((one) => one.state === 'open')
  expect(open.map((one) => one.title)).toEqual([
    expect.stringMatching(/^1 decisions wait .*\(handover_conflict\)/),
  ])
})

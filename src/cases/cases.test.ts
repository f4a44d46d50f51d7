import { afterAll, beforeAll, expect, test } from 'vitest'
import { withTransaction } from '#platform/index.ts'
import { createTestDatabase } from '../../tests/database.ts'
import type { TestDatabase } from '../../tests/database.ts'
import { openCases } from './index.ts'
import type { NewCase } from './index.ts'

let test_: TestDatabase
beforeAll(async () => {
  test_ = await createTestDatabase()
})
afterAll(() => test_.drop())

const doubled: NewCase = {
  kind: 'double_ship',
  subjectId: 'ful_1',
  title: 'Line 1 was shipped twice.',
  evidence: { shipped: 2 },
  money: { amount: 1299, currency: 'GBP' },
}
const open = (...cases: readonly NewCase[]) =>
  withTransaction(test_.database, (tx) => openCases(tx, 'main', 'test', cases))
const rows = async (text: string) =>
  (await test_.database.pool.query<Record<string, unknown>>(text)).rows

test('what is seen twice is one open case, and its evidence is kept once', async () => {
  const [first] = await open(doubled)
  expect(first?.isNew).toBe(true)
  const again = await Promise.all([open(doubled), open(doubled), open(doubled)])
  expect(again.flat()).toEqual(again.map(() => ({ id: first?.id, isNew: false })))
  await open({ ...doubled, evidence: { shipped: 3 } })
  expect(await rows(`select data from cases.entry order by at`)).toEqual([
    { data: { shipped: 2 } },
    { data: { shipped: 3 } },
  ])
  expect(await rows(`select kind, data->>'about' as about from platform.event`)).toEqual([
    { kind: 'case.opened', about: 'ful_1' },
  ])
})

test('two of the same in one call are one case', async () => {
  const other = { ...doubled, subjectId: 'ful_2' }
  const opened = await open(other, other, { ...other, kind: 'too_late' })
  expect(new Set(opened.map((one) => one.id)).size).toBe(2)
})

test('the history cannot be rewritten by the runtime role', async () => {
  await expect(rows(`update cases.entry set text = 'x'`)).rejects.toThrow('permission denied')
  await expect(rows(`delete from cases."case"`)).rejects.toThrow('permission denied')
})

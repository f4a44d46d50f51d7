import { afterAll, beforeAll, expect, test } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { findCase, listCases } from '#cases/index.ts'
import { inventoryChecks, recordStock } from '#inventory/index.ts'
import { read, withTransaction } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { createTestContext, createTestDatabase } from '../../../tests/database.ts'
import type { TestDatabase } from '../../../tests/database.ts'
import { stockShop } from '../../../tests/shop.ts'
import { tempFile } from '../../../tests/temp-file.ts'
import { decideCount, findCount, readCountFile, recordCount } from './count-stock.ts'

let test_: TestDatabase
let context: Context
beforeAll(async () => {
  test_ = await createTestDatabase()
  context = await createTestContext(test_.database)
  // Every product costs 5.00 GBP.
  await stockShop(context, { A: 10, B: 20, C: 30, D: 40 })
})
afterAll(() => test_.drop())

const line = (number: number, sku: string, counted: number) => ({
  line: number,
  sku,
  counted,
  locationId: 'loc-shipco',
})
const count = (id: string, ...lines: ReturnType<typeof line>[]) =>
  recordCount(context, { id, actor: 'person:ada', lines })
const decide = (id: string, verdict: 'accept' | 'reject', lines?: readonly number[]) =>
  decideCount(context, { count: id, verdict, lines, actor: 'person:ada', reason: 'counted twice' })
const onHand = async (sku: string) =>
  (
    await test_.database.pool.query<{ units: number }>(
      `select on_hand::int as units from inventory.stock where sku = '${sku}'`,
    )
  ).rows[0]?.units
const codeOf = (outcome: { ok: boolean; refusal?: { code: string } }) => outcome.refusal?.code

test('a count proposes and moves nothing; what is accepted moves the book exactly once', async () => {
  const lines = [line(1, 'A', 8), line(2, 'B', 20), line(3, 'C', 33)]
  const recorded = orThrow(await count('c1', ...lines))
  expect(recorded.proposals).toMatchObject([
    { line_no: 1, book: 10, difference: -2, money_minor: -1000, state: 'proposed' },
    { line_no: 2, difference: 0, state: 'agrees' },
    { line_no: 3, book: 30, difference: 3, money_minor: 1500, state: 'proposed' },
  ])
  expect(orThrow(await count('c1', ...lines)).wasNew).toBe(false)
  expect(await onHand('A')).toBe(10)
  const [open] = await listCases(test_.database, 'main', { kind: 'stock_difference', limit: 5 })
  expect(open).toMatchObject({ subject_id: 'c1', money_minor: 2500, state: 'open' })
  const all = await Promise.all([decide('c1', 'accept', [1]), decide('c1', 'accept', [1])])
  expect(all.map((one) => orThrow(one).decided).reduce((sum, one) => sum + one)).toBe(1)
  expect(orThrow(await decide('c1', 'reject'))).toMatchObject({ decided: 1, left: 0 })
  expect(orThrow(await decide('c1', 'accept'))).toMatchObject({ decided: 0, left: 0 })
  expect([await onHand('A'), await onHand('C')]).toEqual([8, 30])
  expect((await findCount(context, 'c1'))?.proposals.map((one) => one.state)).toEqual([
    'accepted',
    'agrees',
    'rejected',
  ])
  expect(await findCase(test_.database, 'main', open?.id ?? '')).toMatchObject({
    state: 'resolved',
  })
  const movements = await test_.database.pool.query(
    `select kind, source_id, on_hand_delta::int as units from inventory.movement where kind = 'count'`,
  )
  expect(movements.rows).toEqual([{ kind: 'count', source_id: 'count:c1:1', units: -2 }])
})

test('what moved after the count is no difference, before or after it is accepted', async () => {
  const countedAt = new Date()
  const receive = (id: string) =>
    withTransaction(test_.database, (tx) =>
      recordStock(
        tx,
        'main',
        { id, kind: 'receive', lines: [{ sku: 'D', locationId: 'loc-shipco', quantity: 5 }] },
        'test',
      ),
    )
  await receive('late-1')
  const lines = [line(1, 'D', 38)]
  const recorded = orThrow(await recordCount(context, { id: 'c2', actor: 'a', countedAt, lines }))
  expect(recorded.proposals).toMatchObject([{ book: 40, difference: -2 }])
  await receive('late-2')
  orThrow(await decide('c2', 'accept'))
  expect(await onHand('D')).toBe(48)
  for (const { find } of inventoryChecks) {
    expect(await read(test_.database, find, { merchant: 'main' })).toEqual([])
  }
})

test('a count of what we do not know is refused with its line, and so is another under its id', async () => {
  expect(await count('c3', line(4, 'NO', 1))).toMatchObject({
    refusal: { code: 'sku_unknown', line: 4 },
  })
  const elsewhere = { ...line(1, 'A', 1), locationId: 'moon' }
  expect(codeOf(await recordCount(context, { id: 'c3', actor: 'a', lines: [elsewhere] }))).toBe(
    'location_unknown',
  )
  expect(codeOf(await count('c3', line(1, 'A', 1), line(2, 'A', 2)))).toBe('row_invalid')
  expect(codeOf(await count('c1', line(1, 'A', 1)))).toBe('count_conflict')
  expect(codeOf(await decide('no', 'accept'))).toBe('count_unknown')
})

test('a count file is read with every bad row named', async () => {
  const file = await tempFile('sku,location,counted\nA,loc-shipco,3\nB,loc-shipco,-1\n,x,2\n')
  const { lines, refusals } = await readCountFile(file)
  expect(lines).toEqual([line(2, 'A', 3)])
  expect(refusals).toMatchObject([
    { code: 'row_invalid', line: 3, field: 'counted' },
    { code: 'row_invalid', line: 4, field: 'sku' },
  ])
})

import { afterAll, beforeAll, expect, test } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { withTransaction } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { createTestContext, createTestDatabase } from '../../tests/database.ts'
import type { TestDatabase } from '../../tests/database.ts'
import {
  assignCase,
  caseEntries,
  findCase,
  listCases,
  noteCase,
  openCases,
  openCaseTotals,
  resolveCase,
  resolveCasesAbout,
} from './index.ts'
import type { NewCase } from './index.ts'

let test_: TestDatabase
let context: Context
beforeAll(async () => {
  test_ = await createTestDatabase()
  context = await createTestContext(test_.database)
})
afterAll(() => test_.drop())

let subjects = 0
const open = async (over: Partial<NewCase> = {}): Promise<string> => {
  subjects += 1
  const one: NewCase = {
    kind: 'invoice_difference',
    subjectId: `inv-${subjects}`,
    title: 'Billed twice.',
    evidence: {},
    money: { amount: 250, currency: 'GBP' },
    ...over,
  }
  const [opened] = await withTransaction(test_.database, (tx) =>
    openCases(tx, 'main', 'test', [one]),
  )
  return opened?.id ?? ''
}
const codeOf = (outcome: { ok: boolean; refusal?: { code: string } }) => outcome.refusal?.code

test('a case is closed once, by whom and with what outcome; the same again is the first', async () => {
  const id = await open()
  const close = (outcome: string) =>
    resolveCase(context, { case: id, actor: 'person:ada', outcome })
  const both = await Promise.all([close('credited'), close('credited')])
  expect(both.filter((one) => orThrow(one).wasNew)).toHaveLength(1)
  expect(codeOf(await close('written off'))).toBe('case_closed')
  expect(await findCase(test_.database, 'main', id)).toMatchObject({ state: 'resolved' })
  const entries = await caseEntries(test_.database, 'main', id)
  expect(entries.filter((one) => one.kind === 'resolved')).toMatchObject([
    { actor: 'person:ada', text: 'credited' },
  ])
  const audit = await test_.database.pool.query(
    `select actor, action, reason from platform.audit where subject_id = '${id}'`,
  )
  expect(audit.rows).toEqual([{ actor: 'person:ada', action: 'case.resolve', reason: 'credited' }])
})

test('a key makes a note count once, and refuses another text under it', async () => {
  const id = await open()
  const note = (text: string, key?: string) =>
    noteCase(context, { case: id, actor: 'person:ada', text, key })
  expect(orThrow(await note('called', 'k1')).wasNew).toBe(true)
  expect(orThrow(await note('called', 'k1')).wasNew).toBe(false)
  expect(codeOf(await note('called again', 'k1'))).toBe('idempotency_key_reused')
  expect(codeOf(await noteCase(context, { case: 'cas_no', actor: 'x', text: 'y' }))).toBe(
    'case_unknown',
  )
})

test('what is due first is at the top, page after page, and an owner sees their own', async () => {
  const late = await open({ dueHours: 96, kind: 'return' })
  const soon = await open({ dueHours: 48, kind: 'return' })
  const list = async (after?: string) =>
    (await listCases(test_.database, 'main', { kind: 'return', after, limit: 1 })).map(
      (one) => one.id,
    )
  expect([await list(), await list(soon), await list(late)]).toEqual([[soon], [late], []])
  const dueAt = new Date(Date.now() - 1_000)
  const give = { case: late, actor: 'person:ada', owner: 'grace', dueAt }
  expect(orThrow(await assignCase(context, give)).wasNew).toBe(true)
  expect(orThrow(await assignCase(context, give)).wasNew).toBe(false)
  const own = await listCases(test_.database, 'main', { owner: 'grace', limit: 10 })
  expect(own).toMatchObject([{ id: late, owner: 'grace', is_overdue: true }])
  const overdue = await listCases(test_.database, 'main', { dueBefore: new Date(), limit: 10 })
  expect(overdue.map((one) => one.id)).toEqual([late])
  orThrow(await resolveCase(context, { case: soon, actor: 'person:ada', outcome: 'kept' }))
  expect(codeOf(await assignCase(context, { ...give, case: soon }))).toBe('case_closed')
})

test('the money at stake is that of the open cases', async () => {
  const stakeOf = async () =>
    (await openCaseTotals(test_.database, 'main')).find((one) => one.kind === 'lost_parcel')
  await open({ kind: 'lost_parcel', subjectId: 'p1' })
  await open({ kind: 'lost_parcel', subjectId: 'p2' })
  expect(await stakeOf()).toMatchObject({ open: 2, money_minor: 500, currency: 'GBP' })
  const about = { kind: 'lost_parcel', subjects: ['p1', 'p9'], actor: 'test', outcome: 'found' }
  expect(await withTransaction(test_.database, (tx) => resolveCasesAbout(tx, 'main', about))).toBe(
    1,
  )
  expect(await stakeOf()).toMatchObject({ open: 1, money_minor: 250 })
})

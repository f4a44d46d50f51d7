import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { orThrow, sha256 } from '#kernel/index.ts'
import type { Context, Log } from '#platform/index.ts'
import { listCases, resolveCase } from '#cases/index.ts'
import { fixedFlags, startFlagReader } from '#flags/index.ts'
import { createTestContext, createTestDatabase, silentLog } from '../../tests/database.ts'
import type { TestDatabase } from '../../tests/database.ts'
import { anOrder, aRequest, stockShop, testPlacing } from '../../tests/shop.ts'
import { INITIAL_RULES } from './rule-set.ts'
import { unreadRules, watchRules } from './watch-rules.ts'

let db: TestDatabase
let context: Context
const told: object[] = []
const log: Log = { ...silentLog, error: (fields) => void told.push(fields) }
beforeAll(async () => {
  db = await createTestDatabase({ connectionsMax: 8 })
  context = await createTestContext(db.database, log)
  await stockShop(context, { A: 10_000 })
  // The first order of a shop writes its rules.
  await place(testPlacing(context))
})
afterAll(() => db.drop())
beforeEach(() => void (told.length = 0))

let names = 0
const keyed = () => ({ scope: 'public', key: `key-${(names += 1)}`, requestSha256: sha256('x') })
async function place({ place: submit }: Pick<ReturnType<typeof testPlacing>, 'place'>) {
  const outcome = await submit(aRequest(anOrder(), { idempotency: keyed() }))
  if (outcome.kind === 'refused') throw new Error(outcome.refusal.code)
  const { id, verdict, reasons } = outcome.order
  return { id, said: [verdict, ...reasons] }
}
const setRules = (version: number, rules: object) =>
  db.asOwner(
    `insert into orders.rule_set (merchant_id, version, rules, actor, reason) values ('main', $1, $2, 'test', 'test')`,
    [version, JSON.stringify(rules)],
  )
const openCasesOf = async () =>
  (await listCases(context.database, 'main', { kind: 'rules_unread', limit: 50 })).filter(
    (one) => one.state === 'open',
  )
const { guestValueMinor: _gone, ...withoutGuest } = INITIAL_RULES

test('rules that lack a limit hold every order, by memory and by asking; one case, verify names it', async () => {
  const warm = testPlacing(context)
  expect((await place(warm)).said).toEqual(['clear'])
  await setRules(2, withoutGuest)
  // The memory still has the rules of before: the transaction fails, and the batch asks.
  expect((await place(warm)).said).toEqual(['hold', 'rules_unread'])
  // By asking, and from then on by a memory that holds what could not be read.
  for (let n = 0; n < 5; n += 1) expect((await place(warm)).said).toEqual(['hold', 'rules_unread'])
  expect((await place(testPlacing(context))).said).toEqual(['hold', 'rules_unread'])
  await watchRules(context)
  await watchRules(context)
  expect(await openCasesOf()).toMatchObject([{ subject_id: 'rule_set:2' }])
  expect(await unreadRules(context.database, 'main')).toMatchObject([
    { subject: 'rule_set:2', detail: expect.stringContaining('guestValueMinor') },
  ])
  // One line a minute from each lane and one from whoever opens the case: not one an order.
  expect(told.length).toBeGreaterThan(0)
  expect(told.length).toBeLessThanOrEqual(3)
  // A case that a person closed is not opened again at every look.
  const [open] = await openCasesOf()
  orThrow(
    await resolveCase(context, { case: open?.id ?? '', actor: 'person:ada', outcome: 'looked at' }),
  )
  await watchRules(context)
  expect(await openCasesOf()).toEqual([])
  // A day later it is.
  await db.asOwner(`update orders.rules_alarm set raised_at = raised_at - interval '2 days',
    seen_at = seen_at - interval '2 minutes'`)
  await watchRules(context)
  expect(await openCasesOf()).toHaveLength(1)
})

test('what a memory learned as unread is compared by content: mended in place, orders clear again', async () => {
  const lane = testPlacing(context)
  await place(lane)
  expect((await place(lane)).said).toEqual(['hold', 'rules_unread'])
  await db.asOwner(`update orders.rule_set set rules = $1 where version = 2`, [
    JSON.stringify(INITIAL_RULES),
  ])
  expect((await place(lane)).said).toEqual(['clear'])
  expect(await unreadRules(context.database, 'main')).toEqual([])
})

test('the case closes by itself when no process has met it for five minutes, and not before', async () => {
  expect(await openCasesOf()).toHaveLength(1)
  // A process of a newer build reads it, and one of an older build may not: nothing flaps.
  await watchRules(context)
  expect(await openCasesOf()).toHaveLength(1)
  await db.asOwner(`update orders.rules_alarm set seen_at = now() - interval '6 minutes'`)
  await watchRules(context)
  expect(await openCasesOf()).toEqual([])
})

test('a member that this build does not know holds: in the rules, beside them, and in the policy', async () => {
  await setRules(3, { ...INITIAL_RULES, weightGrams: 30_000 })
  expect((await place(testPlacing(context))).said).toEqual(['hold', 'rules_unread'])
  await setRules(4, INITIAL_RULES)
  expect((await place(testPlacing(context))).said).toEqual(['clear'])
  const lane = testPlacing(context)
  await place(lane)
  // As the migration of a newer build does while this process runs.
  await db.asOwner(`alter table orders.rule_set add column conditions jsonb`)
  expect((await place(lane)).said).toEqual(['hold', 'rules_unread'])
  await db.asOwner(`alter table orders.rule_set drop column conditions`)
  expect((await place(lane)).said).toEqual(['clear'])
  await db.asOwner(`alter table orders.promise_policy add column cutoff text`)
  await db.asOwner(`insert into orders.promise_policy (merchant_id, version, handling_days, working_days, actor, reason)
    values ('main', 1, 1, '{mon}', 'test', 'test')`)
  const { id, said } = await place(lane)
  expect(said).toEqual(['hold', 'rules_unread'])
  // The promise is that of the policy that is built in, and says so.
  const [order] = await db.asOwner<{ promise_version: number }>(
    `select promise_version from orders."order" where id = $1`,
    [id],
  )
  expect(order?.promise_version).toBe(0)
  await db.asOwner(`alter table orders.promise_policy drop column cutoff`)
  expect((await place(lane)).said).toEqual(['clear'])
})

test('a flag that this build does not know holds, and is named', async () => {
  await db.asOwner(`insert into flags.change (merchant_id, version, key, value, actor, reason)
    values ('main', 1, 'order_weekend_hold_enabled', true, 'test', 'test')`)
  const flags = await startFlagReader(context)
  expect((await place(testPlacing(context, flags))).said).toEqual(['hold', 'rules_unread'])
  await flags.stop()
  expect(told).toContainEqual({ flags: ['order_weekend_hold_enabled'] })
  expect(await unreadRules(context.database, 'main')).toMatchObject([
    { subject: 'flag:order_weekend_hold_enabled' },
  ])
  await db.asOwner(`delete from flags.change`)
  expect((await place(testPlacing(context, fixedFlags()))).said).toEqual(['clear'])
})

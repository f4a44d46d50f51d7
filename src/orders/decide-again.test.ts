import { Client } from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { read } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { setFlag, startFlagReader } from '#flags/index.ts'
import type { RunningFlagReader } from '#flags/index.ts'
import { createTestContext, createTestDatabase } from '../../tests/database.ts'
import type { TestDatabase } from '../../tests/database.ts'
import { anOrder, aRequest, stockShop, testPlacing, testReviewKeys } from '../../tests/shop.ts'
import { orderChecks } from './checks.ts'
import { decideAgain } from './decide-again.ts'
import { decideOrder } from './decide-order.ts'
import type { OrderInput } from './order-input.ts'
import type { PlaceRequest } from './place/place-request.ts'
import { INITIAL_RULES } from './rule-set.ts'
import { withdrawOrder } from './withdraw-order.ts'

let db: TestDatabase
let context: Context
/** A reader whose poll is stopped, on a clock that the test moves: it reads only when it is asked to. */
let flags: RunningFlagReader
let nowMs = 0
beforeAll(async () => {
  db = await createTestDatabase({ connectionsMax: 20 })
  context = await createTestContext(db.database)
  await stockShop(context, { A: 10_000 })
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs }
  flags = await startFlagReader({ ...context, clock })
  await flags.stop()
})
afterAll(() => db.drop())

const deps = () => ({ context, flags, reviewKey: testReviewKeys.signing })
const standStill = () => void (nowMs += 11_000)
const takeFlagsAway = async () => {
  await db.asOwner('revoke select on flags.change from holdfast_runtime')
  return () => db.asOwner('grant select on flags.change to holdfast_runtime')
}
const unlessRead = async <T>(act: () => Promise<T>): Promise<T> => {
  const giveBack = await takeFlagsAway()
  standStill()
  try {
    return await act()
  } finally {
    await giveBack()
    nowMs += 1_000
  }
}
async function place(
  input: Partial<OrderInput> = {},
  changes: Partial<PlaceRequest> = {},
): Promise<string> {
  const outcome = await testPlacing(context, flags).place(aRequest(anOrder(input), changes))
  if (outcome.kind === 'refused') throw new Error(outcome.refusal.code)
  return outcome.order.id
}
const decisionsOf = async (id: string) => {
  const rows = await db.asOwner<{ said: string }>(
    `select decided_by || ' ' || verdict || ' ' || array_to_string(reasons, ',') as said
       from orders.decision where order_id = $1 order by number`,
    [id],
  )
  return rows.map((row) => row.said.trim())
}
const waiting = async () => (await db.asOwner('select 1 from orders.unread_hold')).length
const UNREAD = 'rules hold flags_unread'
const person = (orderId: string, verdict: 'hold' | 'clear') =>
  decideOrder(deps(), () => Promise.resolve({ kind: 'stands', parts: [] }), {
    orderId,
    verdict,
    actor: 'person:ada',
    reason: 'looked at it',
  })

test('after a pause the flags are read before an order is decided, and what they say now decides', async () => {
  standStill()
  expect(await decisionsOf(await place())).toEqual(['rules clear'])
  // Switched off while this process stood still.
  orThrow(await setFlag(context, { ...OFF, value: false }))
  standStill()
  expect(await decisionsOf(await place())).toEqual(['rules hold auto_approval_disabled'])
  orThrow(await setFlag(context, { ...OFF, value: true }))
  standStill()
  expect(await decisionsOf(await place())).toEqual(['rules clear'])
})
const OFF = { key: 'order_auto_approval_enabled', actor: 'person:ada', reason: 'test' }

test('flags that cannot be read hold under their own name, and the order is decided again once they are', async () => {
  const ids = await unlessRead(async () => {
    const held = [await place(), await place(), await place({}, { submittedHold: true })]
    expect(await decideAgain(deps())).toBe(0)
    return held
  })
  const [first = '', second = '', submitted = ''] = ids
  expect(await decisionsOf(first)).toEqual([UNREAD])
  expect(await decideAgain(deps())).toBe(2)
  for (const id of [first, second]) expect(await decisionsOf(id)).toEqual([UNREAD, 'rules clear'])
  // A hold from outside is a reason of its own.
  expect(await decisionsOf(submitted)).toEqual(['rules hold submitted_hold'])
  const outbox = await db.asOwner(
    `select q.number, case d.verdict when 'clear' then octet_length(d.approval) end as certificate from orders.handover_outbox q
       join orders.decision d using (merchant_id, order_id, number)
      where q.order_id = $1 order by q.number`,
    [first],
  )
  expect(outbox).toEqual([
    { number: 1, certificate: null },
    { number: 2, certificate: 32 },
  ])
  expect(await decideAgain(deps())).toBe(0)
  expect(await waiting()).toBe(0)
})

test('an order that the rules hold gets their reasons, and a switch that is off its own, in the new decision', async () => {
  await db.asOwner(`insert into orders.rule_set (merchant_id, version, rules, actor, reason)
    values ('main', 2, '{}', 'test', 'test')`)
  const dear = await place({ lines: [{ sku: 'A', qty: 150 }], country: 'FR' })
  const plain = await place()
  expect(await decideAgain(deps())).toBe(0)
  await db.asOwner(
    `insert into orders.rule_set (merchant_id, version, rules, actor, reason) values ('main', 3, $1, 'test', 'test')`,
    [JSON.stringify(INITIAL_RULES)],
  )
  orThrow(await setFlag(context, { ...OFF, value: false }))
  standStill()
  expect(await decideAgain(deps())).toBe(2)
  orThrow(await setFlag(context, { ...OFF, value: true }))
  standStill()
  const unread = 'rules hold rules_unread'
  expect(await decisionsOf(dear)).toEqual([unread, 'rules hold value,country'])
  expect(await decisionsOf(plain)).toEqual([unread, 'rules hold auto_approval_disabled'])
  expect(await decideAgain(deps())).toBe(0)
  const [version] = await db.asOwner(
    'select rule_version from orders.decision where order_id = $1 and number = 2',
    [plain],
  )
  expect(version).toEqual({ rule_version: 3 })
})

test('an order that a person touched is never released', async () => {
  const ids = await unlessRead(() => Promise.all([place(), place(), place()]))
  const [held, cleared, untouched] = ids
  orThrow(await person(held, 'hold'))
  orThrow(await person(cleared, 'clear'))
  expect(await decideAgain(deps())).toBe(1)
  expect(await decisionsOf(held)).toEqual([UNREAD, 'person hold reviewer'])
  expect(await decisionsOf(cleared)).toEqual([UNREAD, 'person clear'])
  expect(await decisionsOf(untouched)).toEqual([UNREAD, 'rules clear'])
  expect(await waiting()).toBe(0)
})

/** Another process in the middle of a transaction that has locked an order. */
async function inTheMiddle(orderId: string, text: string): Promise<() => Promise<void>> {
  const client = new Client({ connectionString: db.runtimeUrl })
  await client.connect()
  onTestFinished(() => client.end())
  await client.query('begin')
  await client.query('select 1 from orders."order" where id = $1 for update', [orderId])
  await client.query(text, [orderId])
  return async () => {
    await client.query('commit')
  }
}
const isWaiting = async () => {
  const blocked = await db.database.pool.query(
    `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  )
  expect(blocked.rows).toHaveLength(1)
}

test('a decision of a person that commits while the order is being taken stands, whoever began first', async () => {
  const id = await unlessRead(() => place())
  const commit = await inTheMiddle(
    id,
    `insert into orders.decision
       select merchant_id, order_id, 2, id || 'p', 'hold', '{reviewer}', 'person', 'person:ada', 'slip',
              rule_version, flag_set_version, revision, order_digest, key_id, null, now(), now(), strata, provenance_id
         from orders.decision where order_id = $1 and number = 1`,
  )
  const again = decideAgain(deps())
  await vi.waitFor(isWaiting, 20_000)
  await commit()
  expect(await again).toBe(0)
  expect(await decisionsOf(id)).toEqual([UNREAD, 'person hold reviewer'])
})

test('a cancellation that commits while the order is being taken stands; refused, the order is decided again', async () => {
  const id = await unlessRead(() => place())
  const commit = await inTheMiddle(
    id,
    `insert into orders.withdrawal (merchant_id, id, order_id, kind, revision, actor, reason, ask_after)
       values ('main', 'cxl_' || $1, $1, 'cancel', 1, 'person:ada', 'changed mind', now())`,
  )
  const again = decideAgain(deps())
  await vi.waitFor(isWaiting, 20_000)
  await commit()
  expect(await again).toBe(0)
  expect(await decideAgain(deps())).toBe(0)
  expect(await decisionsOf(id)).toEqual([UNREAD])
  await db.asOwner(
    `update orders.withdrawal set state = 'refused', refusal = 'order_shipped', settled_at = now()`,
  )
  expect(await decideAgain(deps())).toBe(1)
  expect(await decisionsOf(id)).toEqual([UNREAD, 'rules clear'])
})

test('people, cancellations and several workers at once: each order is settled once, and the books agree', async () => {
  const ids = await unlessRead(() => Promise.all(Array.from({ length: 60 }, () => place())))
  const cancel = (orderId: string) =>
    withdrawOrder(deps(), async () => ({ kind: 'withdrawn', freedLocations: [] }), {
      orderId,
      kind: 'cancel',
      actor: 'person:ada',
      reason: 'changed mind',
    })
  await Promise.all([
    ...ids.map((id, n) => (n % 3 === 0 ? person(id, 'hold') : n % 3 === 1 ? cancel(id) : null)),
    ...[1, 2, 3].map(() => decideAgain(deps())),
  ])
  await decideAgain(deps())
  const said = await Promise.all(ids.map(decisionsOf))
  const each = (role: number) => said.filter((_, n) => n % 3 === role)
  expect(each(2)).toEqual(each(2).map(() => [UNREAD, 'rules clear']))
  // Whatever a rule said before, nothing follows what the person said.
  expect(each(0).map((one) => one.at(-1))).toEqual(each(0).map(() => 'person hold reviewer'))
  expect(
    said.filter((one) => one.indexOf('rules clear') !== one.lastIndexOf('rules clear')),
  ).toEqual([])
  for (const { claim, find } of orderChecks)
    expect([claim, await read(db.database, find, { merchant: 'main' })]).toEqual([claim, []])
})

test('an order whose lines are not those that were decided on stays held', async () => {
  const id = await unlessRead(() => place())
  await db.asOwner(
    `update orders."order" set lines = jsonb_set(lines, '{0,qty}', '2') where id = $1`,
    [id],
  )
  expect(await decideAgain(deps())).toBe(0)
  expect(await decisionsOf(id)).toEqual([UNREAD])
})

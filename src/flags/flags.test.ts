import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { accept } from '#kernel/index.ts'
import { SCOPES } from '#platform/index.ts'
import type { Caller, Context } from '#platform/index.ts'
import { startHttpServer } from '#platform/http/index.ts'
import { createTestContext, createTestDatabase } from '../../tests/database.ts'
import type { TestDatabase } from '../../tests/database.ts'
import { FLAGS } from './flag.ts'
import { flagRoutes } from './flags.http.ts'
import { isFlagKey, readFlags } from './read-flags.ts'
import { setFlag } from './set-flag.ts'
import { startFlagReader } from './start-flag-reader.ts'

let db: TestDatabase
let context: Context
beforeAll(async () => {
  db = await createTestDatabase()
  context = await createTestContext(db.database)
})
afterAll(() => db.drop())

const set = (key: string, value: boolean, reason = 'test') =>
  setFlag(context, { key, value, actor: 'person:ada', reason })

test('a change is one row, with its audit row and the next version', async () => {
  const before = (await readFlags(context.database, 'main')).version
  expect(await set('batch_retry_enabled', false, 'partner down')).toEqual({
    ok: true,
    value: { key: 'batch_retry_enabled', value: false, version: before + 1, isChanged: true },
  })
  const { rows } = await context.database.pool.query(
    `select actor, action, subject_id, reason, before, after from platform.audit order by id desc limit 1`,
  )
  expect(rows).toEqual([
    {
      actor: 'person:ada',
      action: 'flags.changed',
      subject_id: 'batch_retry_enabled',
      reason: 'partner down',
      before: { value: true },
      after: { value: false, version: before + 1 },
    },
  ])
})

test('setting the value it has changes nothing', async () => {
  const { version } = await readFlags(context.database, 'main')
  expect(await set('fulfillment_webhook_async', true)).toMatchObject({
    value: { version, isChanged: false },
  })
})

test('changes at once all count, with versions without gaps', async () => {
  const { version } = await readFlags(context.database, 'main')
  const keys = Object.keys(FLAGS).filter((key) => key !== 'idempotency_key_format_v2')
  const rounds = Array.from({ length: 6 }, (_, round) => round % 2 === 0)
  const outcomes = await Promise.all(
    rounds.flatMap((value) =>
      keys.filter((key) => !key.includes('hold')).map((key) => set(key, value)),
    ),
  )
  const changed = outcomes.flatMap((one) => (one.ok && one.value.isChanged ? [one.value] : []))
  const versions = changed.map((one) => one.version).toSorted((a, b) => a - b)
  expect(versions.length).toBeGreaterThan(0)
  expect(versions).toEqual(versions.map((_, index) => version + 1 + index))
})

test('timestamp keys are refused in a product, with the reason', async () => {
  expect(await set('idempotency_key_format_v2', true)).toMatchObject({
    ok: false,
    refusal: { code: 'flag_refused', detail: expect.stringContaining('second parcel') },
  })
})

test('review cannot be switched off by one person', async () => {
  expect(await set('order_hold_for_review_enabled', false)).toMatchObject({
    ok: false,
    refusal: { code: 'flag_refused' },
  })
})

test('a flag that does not exist is refused, inherited names too', async () => {
  for (const key of ['nope', 'toString', '__proto__']) {
    expect(await set(key, true)).toMatchObject({ ok: false, refusal: { code: 'flag_unknown' } })
  }
})

test('the history is append-only for the runtime role', async () => {
  const deny = (text: string) =>
    expect(context.database.pool.query(text)).rejects.toThrow('permission denied')
  await deny('update flags.change set value = true')
  await deny('delete from flags.change')
})

test('a reader follows a change without being asked', async () => {
  const reader = await startFlagReader(context)
  const before = reader.isOn('order_auto_approval_enabled')
  await set('order_auto_approval_enabled', !before)
  await vi.waitFor(() => expect(reader.isOn('order_auto_approval_enabled')).toBe(!before), 5_000)
  expect(reader.version()).toBe((await readFlags(context.database, 'main')).version)
  await reader.stop()
})

test('flags that cannot be read count as their safe side after 10 s, and recover', async () => {
  let nowMs = 0
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs }
  await set('order_auto_approval_enabled', true)
  await set('batch_retry_enabled', false)
  const reader = await startFlagReader({ ...context, clock })
  await reader.stop()
  nowMs = 10_000
  expect(reader.isOn('order_auto_approval_enabled')).toBe(true)
  nowMs = 10_001
  for (const key of Object.keys(FLAGS).filter((one) => isFlagKey(one))) {
    expect(reader.isOn(key)).toBe(FLAGS[key].safe)
  }
  await reader.refresh()
  expect(reader.isOn('batch_retry_enabled')).toBe(false)
  await reader.stop()
})

test('a reader that starts without a database gives the safe side', async () => {
  const other = await createTestDatabase()
  await other.drop()
  const reader = await startFlagReader({ ...context, database: other.database })
  expect(reader.isOn('order_auto_approval_enabled')).toBe(false)
  await reader.stop()
})

test('flags are read and set over HTTP', async () => {
  const caller: Caller = { actor: 'person:bob', scopes: new Set(SCOPES) }
  const server = await startHttpServer({
    routes: flagRoutes(context),
    host: '127.0.0.1',
    port: 0,
    log: context.log,
    authenticate: async () => accept(caller),
  })
  const put = (key: string, body: object) =>
    fetch(`${server.url}/admin/flags/${key}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  expect((await put('batch_retry_enabled', { value: true })).status).toBe(422)
  expect((await put('idempotency_key_format_v2', { value: true, reason: 'x' })).status).toBe(409)
  expect((await put('nope', { value: true, reason: 'x' })).status).toBe(404)
  expect((await put('batch_retry_enabled', { value: true, reason: 'fixed' })).status).toBe(200)
  const listed = await (await fetch(`${server.url}/admin/flags`)).json()
  expect(listed).toMatchObject({
    items: expect.arrayContaining([
      expect.objectContaining({
        key: 'batch_retry_enabled',
        value: true,
        changed_by: 'person:bob',
        reason: 'fixed',
      }),
    ]),
  })
  await server.close()
})

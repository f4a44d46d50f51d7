import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createTestDatabase } from '../../../tests/database.ts'
import type { TestDatabase } from '../../../tests/database.ts'
import { openDoor } from '../../../tests/database-door.ts'
import { isUnavailable } from './database-faults.ts'
import { closeDatabase, openDatabase, read, withTransaction } from './database.ts'
import { statement } from './statement.ts'

const one = statement({ name: 'test.one', params: {}, row: { n: 'int4' }, text: 'select 1 as n' })
const ready = { name: 'test.two', text: 'select 2', values: [] }

let db: TestDatabase
beforeAll(async () => {
  db = await createTestDatabase()
})
afterAll(() => db.drop())

test('the server ends a session that idles in a transaction: it would hold a lane and the feed back', async () => {
  const { rows } = await db.database.pool.query('show idle_in_transaction_session_timeout')
  expect(rows).toEqual([{ idle_in_transaction_session_timeout: '15s' }])
})

test('a transaction that the server ended for idling says that the database hung up, not that we failed', async () => {
  const database = openDatabase(db.runtimeUrl, { connectionsMax: 1 })
  onTestFinished(() => closeDatabase(database))
  const ended = Promise.withResolvers<void>()
  database.pool.on('connect', (client) => client.once('end', () => ended.resolve()))
  const fault = await withTransaction(database, async (tx) => {
    await tx.send({
      ...ready,
      name: 'test.idle',
      text: `set local idle_in_transaction_session_timeout = 1`,
    })
    await ended.promise
    return tx.send(ready)
  }).catch((thrown: unknown) => thrown)
  expect([isUnavailable(fault), String(fault)]).toEqual([true, expect.any(String)])
  expect(await read(database, one, {})).toEqual([{ n: 1 }])
})

test('a wire that swallows everything is given up, and nothing that was asked over it is taken for done', async () => {
  const door = await openDoor(db.runtimeUrl)
  onTestFinished(() => door.close())
  door.open()
  const database = openDatabase(door.url, { connectionsMax: 1, answerMaxMs: 300 })
  onTestFinished(() => closeDatabase(database))
  expect(await read(database, one, {})).toEqual([{ n: 1 }])
  door.swallow()
  const asked = await withTransaction(database, (tx) => tx.send(ready)).catch((fault) => fault)
  expect([isUnavailable(asked), String(asked)]).toEqual([true, expect.stringContaining('in time')])
  expect(await read(database, one, {})).toEqual([{ n: 1 }])
})

test('a read that is given up takes its connection with it, so that nobody reads its answer as their own', async () => {
  const door = await openDoor(db.runtimeUrl)
  onTestFinished(() => door.close())
  door.open()
  const database = openDatabase(door.url, { connectionsMax: 1, answerMaxMs: 300 })
  onTestFinished(() => closeDatabase(database))
  expect(await read(database, one, {})).toEqual([{ n: 1 }])
  door.swallow()
  await expect(read(database, one, {})).rejects.toThrow('in time')
  expect(database.pool.totalCount).toBe(0)
  expect(await read(database, one, {})).toEqual([{ n: 1 }])
})

test('a pool whose connections are all taken is given up in time, as a database that does not answer', async () => {
  const database = openDatabase(db.runtimeUrl, { connectionsMax: 1, connectMaxMs: 300 })
  onTestFinished(() => closeDatabase(database))
  const taken = await database.pool.connect()
  onTestFinished(() => taken.release())
  const fault = await read(database, one, {}).catch((thrown: unknown) => thrown)
  expect([isUnavailable(fault), String(fault)]).toEqual([true, expect.any(String)])
})

test('a statement whose client has given up ends on the server too, and lets its locks go', async () => {
  const door = await openDoor(db.runtimeUrl)
  onTestFinished(() => door.close())
  door.open()
  const database = openDatabase(door.url, { connectionsMax: 1, answerMaxMs: 300 })
  onTestFinished(() => closeDatabase(database))
  const sleep = { name: 'test.sleep', text: 'select pg_sleep(50)', values: [] }
  await expect(withTransaction(database, (tx) => tx.send(sleep))).rejects.toThrow('in time')
  await vi.waitFor(async () => {
    const running = await db.database.pool.query(
      `select from pg_stat_activity where datname = current_database() and query like '%pg_sleep(50)%' and pid <> pg_backend_pid()`,
    )
    expect(running.rowCount).toBe(0)
  }, 20_000)
})

describe('the runtime role', () => {
  test('owns nothing and cannot change a history', async () => {
    const owned = await db.database.pool.query(
      `select count(*)::int as n from pg_class c join pg_namespace s on s.oid = c.relnamespace
        where pg_get_userbyid(c.relowner) = current_user and s.nspname not like 'pg_%'`,
    )
    expect(owned.rows[0]).toEqual({ n: 0 })
    for (const text of [
      'update inventory.movement set reserved_delta = 0',
      'delete from inventory.movement',
      'update orders.decision set verdict = $$clear$$',
      'update fulfillment.sealed_body set bytes = $$x$$',
      'delete from fulfillment.line_claim',
      'update platform.audit set actor = $$nobody$$',
      'truncate platform.event',
    ]) {
      await expect(db.database.pool.query(text)).rejects.toThrow(/permission denied/)
    }
  })
})

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestDatabase } from '../../../tests/database.ts'
import type { TestDatabase } from '../../../tests/database.ts'

let db: TestDatabase
beforeAll(async () => {
  db = await createTestDatabase()
})
afterAll(() => db.drop())

test('the server ends a session that idles in a transaction: it would hold back the feed', async () => {
  const { rows } = await db.database.pool.query('show idle_in_transaction_session_timeout')
  expect(rows).toEqual([{ idle_in_transaction_session_timeout: '1min' }])
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

import { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { createTestDatabase } from '../../../tests/database.ts'
import { checkSchema, schemaVersion } from './migrate.ts'

const BAD = { ok: false, refusal: { code: 'database_schema' } }

test('a schema is that of this build only where each of its migrations is, from the same file', async () => {
  const shop = await createTestDatabase({ connectionsMax: 1 })
  onTestFinished(() => shop.drop())
  const owner = new Client({ connectionString: shop.ownerUrl })
  await owner.connect()
  onTestFinished(() => owner.end())
  const change = (text: string) => owner.query(text)
  const version = await schemaVersion()
  expect(await checkSchema(shop.runtimeUrl)).toEqual({ ok: true, value: { version } })
  const { rows } = await change(`select checksum from holdfast_migration.applied where version = 5`)
  await change(`update holdfast_migration.applied set checksum = 'other' where version = 5`)
  expect(await checkSchema(shop.runtimeUrl)).toMatchObject(BAD)
  await change(`delete from holdfast_migration.applied where version = 5`)
  const missing = await checkSchema(shop.runtimeUrl)
  expect(missing).toMatchObject(BAD)
  expect(JSON.stringify(missing)).toContain('0005_orders.sql')
  await owner.query(
    `insert into holdfast_migration.applied (version, name, checksum) values (5, '0005_orders.sql', $1)`,
    [rows[0]?.['checksum']],
  )
  expect(await checkSchema(shop.runtimeUrl)).toMatchObject({ ok: true })
  await change(`insert into holdfast_migration.applied (version, name, checksum)
                values (9999, 'later', 'x')`)
  expect(await checkSchema(shop.runtimeUrl)).toMatchObject(BAD)
})

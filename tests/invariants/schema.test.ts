import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase } from '../database.ts'
import type { TestDatabase } from '../database.ts'
import { schemaPicture } from '../schema-picture.ts'

let db: TestDatabase
beforeAll(async () => {
  db = await createTestDatabase()
})
afterAll(() => db.drop())

test('docs/reference/schema.md is the migrated schema: npm run docs:schema writes it', async () => {
  const picture = await schemaPicture(db.ownerUrl)
  expect(picture.tables).toBeGreaterThan(25)
  expect(picture.text).toBe(await readFile('docs/reference/schema.md', 'utf8'))
})

test('merchant_id leads every primary, unique and foreign key but those that are global', async () => {
  const keys = await rowsOf<{ key: string; leads: boolean }>(`
    select k.key, a.attname = 'merchant_id' as leads
      from (select indexrelid::regclass::text as key, indrelid as relation, indkey[0] as first
              from pg_index where indisunique
            union all
            select conname, conrelid, conkey[1] from pg_constraint where contype = 'f') k
      join pg_class c on c.oid = k.relation
      join pg_namespace n on n.oid = c.relnamespace
      join pg_attribute a on a.attrelid = k.relation and a.attnum = k.first
     where n.nspname !~ '^(pg_|holdfast_migration$)'
     order by k.key`)
  expect(keys.length).toBeGreaterThan(50)
  // A key is looked up by its hash before anybody knows whose it is; the instance is nobody's,
  // and its master keys are of no merchant.
  expect(keys.filter((one) => !one.leads).map((one) => one.key)).toEqual([
    'access.api_key_by_hash',
    'fulfillment.unknown_gate_pkey',
    'platform.instance_pkey',
    'platform.master_key_pkey',
  ])
})

test('documents and bytes are not analyzed: a new column of them says `set statistics 0`', async () => {
  const wide = await rowsOf<{ name: string; is_spared: boolean }>(`
    select a.attrelid::regclass || '.' || a.attname as name, coalesce(a.attstattarget, -1) = 0 as is_spared
      from pg_attribute a
      join pg_class c on c.oid = a.attrelid
      join pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
       and a.atttypid in ('jsonb'::regtype, 'bytea'::regtype)
       and n.nspname !~ '^(pg_|information_schema$|holdfast_migration$)'
     order by 1`)
  expect(wide.length).toBeGreaterThan(40)
  expect(wide.filter((one) => !one.is_spared).map((one) => one.name)).toEqual([])
})

test('the runtime role owns nothing, creates nothing and cannot change a history', async () => {
  const histories = [
    'platform.event',
    'platform.audit',
    'platform.provenance',
    'flags.change',
    'inventory.movement',
    'inventory.adjustment',
    'orders.order_reference',
    'orders.idempotency_key',
    'orders.decision',
    'fulfillment.decision',
    'fulfillment.received_order',
    'fulfillment.sealed_body',
    'fulfillment.attempt',
    'fulfillment.shipment',
    'fulfillment.acceptance_evidence',
    'subscriptions.attempt',
    'subscriptions.creation_key',
  ]
  const allowed = await rowsOf<{ history: string }>(
    `select h as history from unnest($1::text[]) h
      where has_any_column_privilege('holdfast_app', h, 'UPDATE')
         or has_table_privilege('holdfast_app', h, 'DELETE, TRUNCATE')
         or not has_table_privilege('holdfast_app', h, 'INSERT')`,
    [histories],
  )
  expect(allowed).toEqual([])
  const owned = await rowsOf<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class c
      where pg_get_userbyid(c.relowner) in ('holdfast_app', 'holdfast_runtime')
     union all
     select nspname from pg_namespace
      where nspname !~ '^pg_' and has_schema_privilege('holdfast_app', oid, 'CREATE')`,
  )
  expect(owned).toEqual([])
})

test('an order has no verdict: only decisions have one, and what hangs on a CLEAR names it', async () => {
  const columns = await rowsOf<{ name: string }>(`
    select c.table_schema || '.' || c.table_name || '.' || c.column_name as name
      from information_schema.columns c
     where c.column_name ~ '(verdict|hold_for_review|approved|is_held)'
       and c.table_schema !~ '^(pg_|information_schema$)'
     order by 1`)
  expect(columns.map((one) => one.name)).toEqual([
    'fulfillment.decision.verdict',
    'fulfillment.fulfillment_order.cleared_verdict',
    'fulfillment.line_claim.verdict',
    'orders.decision.verdict',
    // What a person asks for, until fulfillment has answered; no order is cleared by it.
    'orders.decision_wish.verdict',
    // What matching found of a line of a partner's bill; no order hangs on it.
    'reconciliation.invoice_line.verdict',
  ])
})

async function rowsOf<R extends object>(sql: string, values: readonly unknown[] = []) {
  return db.asOwner<R>(sql, values)
}

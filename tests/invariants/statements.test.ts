import { readdir, readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { declaredStatements, sqlType } from '#platform/index.ts'
import { createTestDatabase } from '../database.ts'
import type { TestDatabase } from '../database.ts'

let db: TestDatabase
beforeAll(async () => {
  db = await createTestDatabase()
  const names = await readdir('src', { recursive: true })
  for (const name of names.filter((one) => one.endsWith('.ts') && !one.includes('.test.'))) {
    const text = await readFile(`src/${name}`, 'utf8')
    if (/\bstatement\(\{/.test(text)) await import(`../../src/${name}`)
  }
})
afterAll(() => db.drop())

test('every declared statement prepares on the schema as the runtime role, with the declared types', async () => {
  const declared = declaredStatements()
  expect(declared.length).toBeGreaterThan(30)
  const client = await db.database.pool.connect()
  const wrong: string[] = []
  try {
    // PostgreSQL tells the types of results since 16; on 15 a statement must prepare and take its parameters.
    const { rows: told } = await client.query(
      `select from pg_attribute
        where attrelid = 'pg_prepared_statements'::regclass and attname = 'result_types'`,
    )
    const resultTypes = told.length > 0 ? 'result_types::text[]' : 'null::text[]'
    for (const [index, one] of declared.entries()) {
      try {
        await client.query(`prepare check_${index} as ${one.text}`)
        const { rows } = await client.query<{ params: string[]; results: string[] | null }>(
          `select parameter_types::text[] as params, ${resultTypes} as results
             from pg_prepared_statements where name = 'check_${index}'`,
        )
        const params = Object.values(one.params).map(sqlType)
        const results = Object.values(one.row).map(sqlType)
        if (normal(rows[0]?.params).join() !== params.join())
          wrong.push(`${one.name}: parameters ${rows[0]?.params.join()}`)
        // Rows are read by name, so only the set of types is compared.
        if (
          told.length > 0 &&
          normal(rows[0]?.results).toSorted().join() !== results.toSorted().join()
        ) {
          wrong.push(
            `${one.name}: columns ${normal(rows[0]?.results).join()} declared ${results.join()}`,
          )
        }
      } catch (fault) {
        wrong.push(`${one.name}: ${fault instanceof Error ? fault.message : String(fault)}`)
      }
    }
  } finally {
    client.release()
  }
  expect(wrong).toEqual([])
})

test('no statement reads arrays side by side in FROM, where each costs pages anew', () => {
  const declared = declaredStatements()
  const reading = declared.filter(({ text }) => text.includes('unnest('))
  expect(reading.length).toBeGreaterThan(50)
  const inFrom = /\bunnest\((?:[^()]|\([^()]*\))*,/
  expect(reading.filter(({ text }) => inFrom.test(text)).map(({ name }) => name)).toEqual([])
})

const SHORT: Record<string, string> = {
  integer: 'int4',
  bigint: 'int8',
  boolean: 'bool',
  'double precision': 'float8',
  'timestamp with time zone': 'timestamptz',
}

function normal(types: readonly string[] | null | undefined): string[] {
  return (types ?? []).map((type) => {
    const base = type.replace('[]', '').replaceAll('"', '')
    return (SHORT[base] ?? base) + (type.endsWith('[]') ? '[]' : '')
  })
}

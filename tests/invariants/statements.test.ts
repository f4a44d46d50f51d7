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
    for (const [index, one] of declared.entries()) {
      try {
        await client.query(`prepare check_${index} as ${one.text}`)
        const { rows } = await client.query<{ params: string[]; results: string[] | null }>(
          `select parameter_types::text[] as params, result_types::text[] as results
             from pg_prepared_statements where name = 'check_${index}'`,
        )
        const params = Object.values(one.params).map(sqlType)
        const results = Object.values(one.row).map(sqlType)
        if (normal(rows[0]?.params).join() !== params.join())
          wrong.push(`${one.name}: parameters ${rows[0]?.params.join()}`)
        // Rows are read by name, so only the set of types is compared.
        if (normal(rows[0]?.results).toSorted().join() !== results.toSorted().join()) {
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

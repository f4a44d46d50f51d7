import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { filesBelow, isTestFile } from './source-files.ts'
import type { SourceFile } from './source-files.ts'

const schemas = new Set(
  readdirSync('migrations').flatMap((name) =>
    [...readFileSync(`migrations/${name}`, 'utf8').matchAll(/^create schema ([a-z_]+);/gm)].map(
      (match) => match[1] ?? '',
    ),
  ),
)
// The lab has a schema that no migration makes: it may write no other.
const sources = ['src', 'lab'].flatMap(filesBelow).filter(({ path }) => !isTestFile(path))

test("a folder's SQL writes its own schema alone", () => {
  expect(schemas.size).toBeGreaterThan(6)
  expect(sources.length).toBeGreaterThan(150)
  expect(sources.flatMap(({ text }) => writesOf(text)).length).toBeGreaterThan(60)
  expect(sources.flatMap(faults)).toEqual([])
})

test('the guard sees each kind of write into the schema of another folder', () => {
  const at = (sql: string) => faults({ path: 'src/orders/a.ts', text: sql })
  expect(at('insert into inventory.stock (a)')).toEqual(['src/orders/a.ts: inventory.stock'])
  expect(at('update\n  inventory.stock set a = 1')).toHaveLength(1)
  const inLab = 'update inventory.stock set a = 1; insert into lab.stock (a)'
  expect(faults({ path: 'lab/unguarded/a.ts', text: inLab })).toHaveLength(1)
  expect(at('delete from fulfillment.hold')).toHaveLength(1)
  expect(at('MERGE INTO inventory.stock s')).toHaveLength(1)
  expect(at('truncate inventory.stock')).toHaveLength(1)
  expect(at('update only inventory.stock')).toHaveLength(1)
  expect(at('insert into "inventory"."stock"')).toHaveLength(1)
  expect(at('copy inventory.stock from stdin')).toHaveLength(1)
  expect(at('insert into ${schema}.stock (a)')).toHaveLength(1)
  expect(at('delete from inventory.${table}')).toHaveLength(1)
  expect(at('select * from inventory.stock; insert into orders."order" (a)')).toEqual([])
})

function faults({ path, text }: SourceFile): readonly string[] {
  const own = path.split('/')[1]
  return writesOf(text)
    .filter(([schema]) => schema !== own)
    .map(([schema, table]) => `${path}: ${schema}.${table}`)
}

function writesOf(text: string): readonly (readonly [schema: string, table: string])[] {
  const written = text.matchAll(
    /\b(?:insert\s+into|merge\s+into|delete\s+from|update|copy|truncate(?:\s+table)?)\s+(?:only\s+)?"?([a-z_]+)"?\.(?:"?([a-z_]+))?/gi,
  )
  // A schema that is put in at run time could be any.
  const unnamed = text.matchAll(/\b((?:insert|merge)\s+into|delete\s+from)\s+(?:only\s+)?"?\$\{/gi)
  return [
    ...[...written]
      .map((match) => [match[1] ?? '', match[2] ?? '${}'] as const)
      .filter(([schema]) => schemas.has(schema)),
    ...[...unnamed].map(() => ['${}', '${}'] as const),
  ]
}

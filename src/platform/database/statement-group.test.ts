import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestDatabase } from '../../../tests/database.ts'
import type { TestDatabase } from '../../../tests/database.ts'
import { sqlState } from './database-faults.ts'
import { many, read, withPipelinedCommit, withTransaction } from './database.ts'
import { statement } from './statement.ts'

const echo = statement({
  name: 'test.echo',
  params: { t: 'text?', ts: 'text?[]', b: 'bytea', bs: 'bytea?[]', n: 'int8[]', at: 'timestamptz' },
  row: { t: 'text?', ts: 'text?[]', b: 'bytea', bs: 'bytea?[]', n: 'int8', at: 'timestamptz' },
  text: 'select $t as t, $ts as ts, $b as b, $bs as bs, ($n)[1] as n, $at as at',
})
const divide = statement({
  name: 'test.divide',
  params: { by: 'int4' },
  row: { n: 'int4' },
  text: 'select 12 / $by as n',
})
const note = statement({
  name: 'test.note',
  params: { id: 'text' },
  text: `insert into platform.provenance (merchant_id, id, flag_set_version, build, schema_version, node)
         values ('main', $id, 1, 'test', 1, 'test')`,
})
const count = statement({
  name: 'test.count_notes',
  params: { id: 'text' },
  row: { n: 'int8' },
  text: 'select count(*) as n from platform.provenance where id = $id',
})

let db: TestDatabase
beforeAll(async () => {
  db = await createTestDatabase({ connectionsMax: 2 })
})
afterAll(() => db.drop())
const notes = async (id: string) => (await read(db.database, count, { id }))[0]?.n

describe('a group of statements', () => {
  test('carries every kind of value there and back, twice on one connection', async () => {
    const given = {
      t: 'a "b" \\c {d}, é',
      ts: ['', 'NULL', null, '{}', 'q"u\\o,te', ' ü '],
      b: Buffer.from([0, 255, 34]),
      bs: [Buffer.from([0, 92]), null, new Uint8Array(0)],
      n: [Number.MAX_SAFE_INTEGER],
      at: new Date('2026-11-23T00:00:00.001Z'),
    }
    const answers = await withTransaction(db.database, async (tx) => [
      await many(tx, echo, given),
      await many(tx, echo, { ...given, t: null }),
    ])
    const bs = [Buffer.from([0, 92]), null, Buffer.alloc(0)]
    const told = { ...given, bs, n: Number.MAX_SAFE_INTEGER }
    expect(answers).toEqual([[told], [{ ...told, t: null }]])
  })

  test('answers each statement with its own rows', async () => {
    const answers = await withTransaction(db.database, (tx) =>
      Promise.all([1, 2, 3].map((by) => many(tx, divide, { by }))),
    )
    expect(answers).toEqual([[{ n: 12 }], [{ n: 6 }], [{ n: 4 }]])
  })

  test('fails as a whole, and its connection goes on', async () => {
    const asked = withTransaction(db.database, (tx) =>
      Promise.allSettled([
        many(tx, note, { id: 'failing' }),
        many(tx, divide, { by: 0 }),
        many(tx, count, { id: 'failing' }),
      ]),
    )
    await expect(asked).rejects.toThrow('division by zero')
    expect(await notes('failing')).toBe(0)
    const after = await withTransaction(db.database, (tx) =>
      Promise.all([many(tx, divide, { by: 4 }), many(tx, count, { id: 'failing' })]),
    )
    expect(after).toEqual([[{ n: 3 }], [{ n: 0 }]])
  })

  test('cannot be talked out of its fault: the commit is refused', async () => {
    const asked = withTransaction(db.database, async (tx) => {
      await many(tx, note, { id: 'swallowed' })
      await many(tx, divide, { by: 0 }).catch(() => undefined)
    })
    await expect(asked).rejects.toThrow('a transaction commits')
    expect(await notes('swallowed')).toBe(0)
  })

  test('that loses its connection rejects every statement', async () => {
    const kill = statement({
      name: 'test.kill_self',
      params: {},
      row: { done: 'bool' },
      text: 'select pg_terminate_backend(pg_backend_pid()) as done',
    })
    const asked: Promise<unknown>[] = []
    const ended = withTransaction(db.database, async (tx) => {
      asked.push(many(tx, note, { id: 'lost' }), many(tx, kill, {}), many(tx, divide, { by: 1 }))
      await Promise.all(asked)
    })
    await expect(ended).rejects.toThrow(/terminat/)
    const states = await Promise.allSettled(asked)
    expect(states.map((one) => one.status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(await notes('lost')).toBe(0)
  })
})

describe('a commit that travels behind the last writes', () => {
  test('commits them all', async () => {
    const value = await withPipelinedCommit(db.database, (tx) =>
      Promise.resolve({ value: 7, written: many(tx, note, { id: 'behind' }) }),
    )
    expect([value, await notes('behind')]).toEqual([7, 1])
  })

  test('commits nothing where one of them fails', async () => {
    const asked = withPipelinedCommit(db.database, (tx) =>
      Promise.resolve({
        value: 7,
        written: Promise.all([many(tx, note, { id: 'undone' }), many(tx, divide, { by: 0 })]),
      }),
    )
    expect(sqlState(await asked.catch((fault: unknown) => fault))).toBe('22012')
    expect(await notes('undone')).toBe(0)
  })
})

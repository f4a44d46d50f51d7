import { appendFile, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { attachEmbedded } from './attach-embedded.ts'
import { createFile } from './durable-file.ts'
import { readMasterKey } from './secrets.ts'
import { startEmbedded } from './start-embedded.ts'
import type { EmbeddedPostgres } from './start-embedded.ts'
import { makeTemporaryFolder } from './throwaway-cluster.ts'

let dataDir: string
let cluster: EmbeddedPostgres

beforeAll(async () => {
  dataDir = await makeTemporaryFolder()
  cluster = orThrow(await startEmbedded({ dataDir }))
})
afterAll(async () => {
  await cluster.stop()
  await rm(dataDir, { recursive: true })
})

async function ask(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows
  } finally {
    await client.end()
  }
}

async function setting(name: string): Promise<unknown> {
  const [row] = await ask(cluster.ownerUrl, `select current_setting('${name}') as value`)
  return row
}

describe('the server', () => {
  test.each([
    ['fsync', 'on'],
    ['full_page_writes', 'on'],
    ['synchronous_commit', 'on'],
    ['data_checksums', 'on'],
    ['server_encoding', 'UTF8'],
    ['wal_level', 'replica'],
    ['jit', 'off'],
    ['max_connections', '100'],
    ['password_encryption', 'scram-sha-256'],
  ])('runs with %s = %s', async (name, value) => {
    expect(await setting(name)).toEqual({ value })
  })

  test('sorts text by code point, whatever locales the host has', async () => {
    const sorted = await ask(
      cluster.ownerUrl,
      `select string_agg(t, '' order by t) as s from unnest(array['b','B','a','é']) t`,
    )
    expect(sorted).toEqual([{ s: 'Babé' }])
  })

  test('refuses a wrong password', async () => {
    const wrong = cluster.runtimeUrl.replace(/holdfast_app:[^@]+/, 'holdfast_app:wrong')
    await expect(ask(wrong, 'select 1')).rejects.toThrow(/password authentication failed/)
  })
})

describe('the owner', () => {
  test('creates schemas and tables, and is no superuser', async () => {
    await ask(cluster.ownerUrl, 'create schema mine')
    await ask(cluster.ownerUrl, 'create table mine.thing (id int)')
    const [role] = await ask(
      cluster.ownerUrl,
      'select rolsuper, rolcreaterole from pg_roles where rolname = current_user',
    )
    expect(role).toEqual({ rolsuper: false, rolcreaterole: true })
  })

  test('can grant to the group of the runtime role, which then reads and nothing else', async () => {
    await ask(cluster.ownerUrl, 'create schema shop')
    await ask(cluster.ownerUrl, 'create table shop.fact (id int)')
    await ask(cluster.ownerUrl, 'grant usage on schema shop to holdfast_runtime')
    await ask(cluster.ownerUrl, 'grant select on shop.fact to holdfast_runtime')
    expect(await ask(cluster.runtimeUrl, 'select * from shop.fact')).toEqual([])
    await expect(ask(cluster.runtimeUrl, 'insert into shop.fact values (1)')).rejects.toThrow(
      /permission denied/,
    )
  })
})

describe('the runtime role', () => {
  test.each([
    'create table public.mine (id int)',
    'create temp table mine (id int)',
    'create schema mine_too',
    'create role another',
    'create database another',
    'set role holdfast_owner',
    'alter system set fsync = off',
  ])('may not: %s', async (sql) => {
    await expect(ask(cluster.runtimeUrl, sql)).rejects.toThrow(/permission denied/)
  })

  test('owns nothing', async () => {
    const owned = await ask(
      cluster.runtimeUrl,
      `select relname from pg_class where relowner = 'holdfast_app'::regrole
       union all select datname from pg_database where datdba = 'holdfast_app'::regrole`,
    )
    expect(owned).toEqual([])
  })

  test('reaches no database but its own', async () => {
    const other = cluster.runtimeUrl.replace('/holdfast?', '/postgres?')
    await expect(ask(other, 'select 1')).rejects.toThrow(/permission denied for database/)
  })
})

describe('the data directory', () => {
  test.each(['secrets.json', 'master.key'])('keeps %s to its owner', async (name) => {
    expect((await stat(join(dataDir, name))).mode & 0o777).toBe(0o600)
  })

  test('has a master key of 32 bytes that outlives restarts', async () => {
    const before = await readMasterKey(dataDir)
    await cluster.stop()
    cluster = orThrow(await startEmbedded({ dataDir }))
    expect(before).toHaveLength(32)
    expect(await readMasterKey(dataDir)).toEqual(before)
  })

  test('keeps committed rows over stop and start', async () => {
    await ask(cluster.ownerUrl, 'create table kept as select 7 as n')
    await cluster.stop()
    cluster = orThrow(await startEmbedded({ dataDir }))
    expect(await ask(cluster.ownerUrl, 'select n from kept')).toEqual([{ n: 7 }])
  })

  test('holds no password in the log of the server', async () => {
    const log = await readFile(join(cluster.dataDir, 'postgres.log'), 'utf8')
    const secrets: unknown = JSON.parse(await readFile(join(dataDir, 'secrets.json'), 'utf8'))
    expect(Object.values(secrets ?? {})).toHaveLength(3)
    for (const secret of Object.values(secrets ?? {})) expect(log).not.toContain(secret)
  })

  test('is refused without its master key, because a new one opens nothing', async () => {
    const key = await readMasterKey(dataDir)
    await cluster.stop()
    await rm(join(dataDir, 'master.key'))
    const outcome = await startEmbedded({ dataDir })
    await createFile(join(dataDir, 'master.key'), key)
    cluster = orThrow(await startEmbedded({ dataDir }))
    expect(outcome).toMatchObject({ ok: false, refusal: { code: 'database_unavailable' } })
  })
})

describe('another process', () => {
  test('attaches to the running cluster', async () => {
    const attached = orThrow(await attachEmbedded(dataDir))
    expect(attached).toEqual({ ownerUrl: cluster.ownerUrl, runtimeUrl: cluster.runtimeUrl })
  })

  test.each(['/nowhere/at/all', '/tmp'])('is refused where nothing runs: %s', async (folder) => {
    expect(await attachEmbedded(folder)).toMatchObject({
      ok: false,
      refusal: { code: 'database_unavailable' },
    })
  })
})

describe('loopback TCP', () => {
  const folders: string[] = []
  afterEach(async () => {
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true })
  })

  test('is used when asked for', async () => {
    await cluster.stop()
    cluster = orThrow(await startEmbedded({ dataDir, forceTcp: true }))
    expect(new URL(cluster.ownerUrl).hostname).toBe('127.0.0.1')
    expect(await ask(cluster.runtimeUrl, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  test('is used where the path of a socket would not fit', async () => {
    const folder = await makeTemporaryFolder()
    folders.push(folder)
    const deep = join(folder, 'd'.repeat(90))
    const other = orThrow(await startEmbedded({ dataDir: deep }))
    const rows = await ask(other.runtimeUrl, 'select 1 as one')
    await other.stop()
    expect(new URL(other.ownerUrl).hostname).toBe('127.0.0.1')
    expect(rows).toEqual([{ one: 1 }])
  })
})

test('a start that PostgreSQL refuses says why, in the words of its log', async () => {
  const conf = join(cluster.dataDir, 'postgres', 'postgresql.conf')
  await cluster.stop()
  const before = await readFile(conf)
  await appendFile(conf, "shared_buffers = 'plenty'\n")
  const outcome = await startEmbedded({ dataDir })
  await writeFile(conf, before)
  cluster = orThrow(await startEmbedded({ dataDir }))
  expect(outcome).toMatchObject({ ok: false, refusal: { code: 'database_unavailable' } })
  expect(outcome.ok || outcome.refusal.detail).toContain('shared_buffers')
})

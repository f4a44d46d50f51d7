import { readdir, readFile } from 'node:fs/promises'
import type { Client } from 'pg'
import { accept, refuse, sha256Hex } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { databaseUnavailable, isUnavailable } from './database-faults.ts'
import { connectOrRefuse, endClient, oneOffClient } from './one-off-client.ts'
import { checkInstanceKind } from './instance-kind.ts'
import type { InstanceKind } from './instance-kind.ts'

const FOLDER = new URL('../../../migrations/', import.meta.url)

/** A migration may rewrite a large table, and wait for another process that migrates. */
const MIGRATION_MAX_MS = 6 * 3_600_000

type Migration = { version: number; name: string; text: string; checksum: string }

/** The migrations of this build, in order. Files are numbered, never edited once released. */
export async function readMigrations(): Promise<readonly Migration[]> {
  const names = (await readdir(FOLDER))
    .filter((name) => /^\d{4}_[a-z_]+\.sql$/.test(name))
    .toSorted()
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(new URL(name, FOLDER), 'utf8')
      return { version: Number(name.slice(0, 4)), name, text, checksum: sha256Hex(text) }
    }),
  )
}

/** The schema version that this build needs. */
export async function schemaVersion(): Promise<number> {
  return (await readMigrations()).at(-1)?.version ?? 0
}

/**
 * Brings the schema up to this build as the owner. Each file is one transaction; an edited or
 * unknown file is refused (`database_schema`). Two at once: the second waits for the first. With
 * `createAs: 'lab'` an empty database becomes one of the lab; one of the product is refused
 * (`product_database`).
 */
export async function migrate(
  ownerUrl: string,
  options: { createAs?: InstanceKind } = {},
): Promise<Outcome<{ applied: readonly string[] }>> {
  const client = oneOffClient(ownerUrl, MIGRATION_MAX_MS)
  const connected = await connectOrRefuse(client, ownerUrl)
  if (!connected.ok) return connected
  try {
    await client.query(`select pg_advisory_lock(hashtext('holdfast/migrate'))`)
    await client.query(PREPARE)
    const done = await client.query<{ version: number; checksum: string }>(
      'select version, checksum from holdfast_migration.applied',
    )
    const checksums = new Map(done.rows.map((row) => [row.version, row.checksum]))
    const createAs = checksums.size === 0 ? (options.createAs ?? 'product') : 'product'
    await client.query(`select set_config('holdfast.created_as', $1, false)`, [createAs])
    if (options.createAs === 'lab' && checksums.size > 0) {
      const isLab = await checkInstanceKind(ownerUrl, 'lab')
      if (!isLab.ok) return isLab
    }
    return await applyMissing(client, checksums)
  } finally {
    await endClient(client)
  }
}

async function applyMissing(
  client: Client,
  checksums: Map<number, string>,
): Promise<Outcome<{ applied: readonly string[] }>> {
  const applied: string[] = []
  const migrations = await readMigrations()
  const newest = migrations.at(-1)?.version ?? 0
  const ahead = [...checksums.keys()].find((version) => version > newest)
  if (ahead) return refuse('database_schema', `The database is at ${ahead}, newer than this build.`)
  for (const migration of migrations) {
    const checksum = checksums.get(migration.version)
    if (checksum === migration.checksum) continue
    if (checksum)
      return refuse('database_schema', `${migration.name} was edited after it was applied.`)
    await client.query('begin')
    await client.query(migration.text)
    await client.query(
      'insert into holdfast_migration.applied (version, name, checksum) values ($1, $2, $3)',
      [migration.version, migration.name, migration.checksum],
    )
    await client.query('commit')
    applied.push(migration.name)
  }
  return accept({ applied })
}

/**
 * Refuses where the database is not at exactly the schema of this build (`database_schema`), or does
 * not answer (`database_unavailable`).
 */
export async function checkSchema(url: string): Promise<Outcome<{ version: number }>> {
  const migrations = await readMigrations()
  const needed = migrations.at(-1)?.version ?? 0
  const client = oneOffClient(url)
  const connected = await connectOrRefuse(client, url)
  if (!connected.ok) return connected
  try {
    const { rows } = await client.query<{ version: number; checksum: string }>(
      'select version, checksum from holdfast_migration.applied order by version',
    )
    const version = rows.at(-1)?.version ?? 0
    if (version !== needed) {
      return refuse(
        'database_schema',
        `The schema is at ${version}, this build needs ${needed}: run holdfast migrate.`,
      )
    }
    // The newest alone proves nothing: one below it may be missing, or be another file.
    const applied = new Map(rows.map((row) => [row.version, row.checksum]))
    const wrong = migrations.find((one) => applied.get(one.version) !== one.checksum)
    if (!wrong) return accept({ version })
    return refuse(
      'database_schema',
      applied.has(wrong.version)
        ? `Migration ${wrong.name} was applied from another file than that of this build.`
        : `Migration ${wrong.name} is missing: run holdfast migrate.`,
    )
  } catch (fault) {
    if (isUnavailable(fault)) return databaseUnavailable(url)
    return refuse('database_schema', 'The schema cannot be read: run holdfast migrate.')
  } finally {
    await endClient(client)
  }
}

// The group role lets any login be the runtime role: `grant holdfast_runtime to my_login`.
const PREPARE = `
  do $$ begin
    if not exists (select from pg_roles where rolname = 'holdfast_runtime') then
      create role holdfast_runtime nologin;
    end if;
  exception when duplicate_object or unique_violation then null;
  end $$;
  create schema if not exists holdfast_migration;
  create table if not exists holdfast_migration.applied (
    version integer primary key, name text not null, checksum text not null,
    applied_at timestamptz not null default now());
  grant usage on schema holdfast_migration to holdfast_runtime;
  grant select on holdfast_migration.applied to holdfast_runtime;`

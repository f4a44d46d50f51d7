import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { inject } from 'vitest'
import { systemClock } from '#kernel/index.ts'
import {
  closeDatabase,
  nodeName,
  openDatabase,
  recordProvenance,
  schemaVersion,
} from '#platform/index.ts'
import type { Context, Database, Log, Transaction } from '#platform/index.ts'

/** A database of its own for one test file, cloned from the migrated template. */
export type TestDatabase = {
  readonly database: Database
  readonly ownerUrl: string
  readonly runtimeUrl: string
  /** One statement as the owner, who may change what the runtime role may not; answers its rows. */
  readonly asOwner: <R extends object>(text: string, values?: readonly unknown[]) => Promise<R[]>
  readonly drop: () => Promise<void>
}

/** Clones the template; `database` is open as the runtime role. Drop it in `afterAll`. */
export async function createTestDatabase(
  options: { connectionsMax?: number } = {},
): Promise<TestDatabase> {
  const urls = inject('postgres')
  const name = `test_${randomBytes(6).toString('hex')}`
  await asAdmin(urls.adminUrl, [
    `create database ${name} template holdfast owner holdfast_owner`,
    `revoke all on database ${name} from public`,
    `grant connect on database ${name} to holdfast_app`,
  ])
  const runtimeUrl = withDatabase(urls.runtimeUrl, name)
  const database = openDatabase(runtimeUrl, options)
  return {
    database,
    ownerUrl: withDatabase(urls.ownerUrl, name),
    runtimeUrl,
    asOwner: (text, values) => asOwner(withDatabase(urls.ownerUrl, name), text, values),
    drop: async () => {
      await closeDatabase(database)
      await asAdmin(urls.adminUrl, [`drop database ${name} with (force)`])
    },
  }
}

const silent = (): void => undefined
/** A log that keeps quiet. */
export const silentLog: Log = { debug: silent, info: silent, warn: silent, error: silent }

/** A context over a test database: merchant `main`, the system clock, flag set version 0. */
export async function createTestContext(
  database: Database,
  log: Log = silentLog,
): Promise<Context> {
  const id = await recordProvenance(database, 'main', {
    flagSetVersion: 0,
    build: 'test',
    schemaVersion: await schemaVersion(),
    node: nodeName(),
  })
  return {
    merchant: 'main',
    database,
    clock: systemClock,
    log,
    provenance: () => Promise.resolve({ id, flagSetVersion: 0 }),
  }
}

/** Keeps a transaction open for so many seconds, in the server. */
export async function dally(tx: Transaction, seconds: number): Promise<void> {
  await tx.send({ name: 'test.dally', text: 'select pg_sleep($1)', values: [String(seconds)] })
}

function withDatabase(url: string, name: string): string {
  return url.replace(/\/holdfast(?=\?|$)/, `/${name}`)
}

function asOwner<R extends object>(
  url: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<R[]> {
  return withClient(url, async (client) => (await client.query<R>(text, [...values])).rows)
}

// Two clones at once collide on the template; the second waits its turn.
function asAdmin(url: string, statements: readonly string[]): Promise<void> {
  return withClient(url, async (client) => {
    await client.query(`select pg_advisory_lock(hashtext('holdfast/test-template'))`)
    for (const text of statements) await client.query(text)
  })
}

async function withClient<T>(url: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

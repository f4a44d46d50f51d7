import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { inject, vi } from 'vitest'
import { closeDatabase, openDatabase } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { createTestContext } from './database.ts'
import type { TestDatabase } from './database.ts'

/** A copy of a database, to be opened as what a restore of its moment gives. */
export type DatabaseCopy = {
  readonly ownerUrl: string
  readonly open: () => Promise<Context>
  readonly drop: () => Promise<void>
}

/** Copies a test database as it is now; its connections are ended, and idle ones come back by themselves. */
export async function copyDatabase(test: TestDatabase): Promise<DatabaseCopy> {
  const source = new URL(test.ownerUrl.replace('@/', '@x/')).pathname.slice(1)
  const name = `restored_${randomBytes(6).toString('hex')}`
  const admin = new Client({ connectionString: inject('postgres').adminUrl })
  await admin.connect()
  // A template must have no connections.
  await vi.waitFor(
    async () => {
      await admin.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${source}'`,
      )
      await admin.query(`create database ${name} template ${source} owner holdfast_owner`)
    },
    { timeout: 30_000 },
  )
  await admin.query(`grant connect on database ${name} to holdfast_app`)
  const rename = (url: string) => url.replace(source, name)
  const opened: (() => Promise<void>)[] = []
  return {
    ownerUrl: rename(test.ownerUrl),
    open: async () => {
      const database = openDatabase(rename(test.runtimeUrl))
      opened.push(() => closeDatabase(database))
      return createTestContext(database)
    },
    drop: async () => {
      for (const close of opened) await close()
      await admin.query(`drop database if exists ${name} with (force)`)
      await admin.end()
    },
  }
}

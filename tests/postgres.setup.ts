import type { TestProject } from 'vitest/node'
import { z } from 'zod'
import { migrate } from '#platform/index.ts'
import { startThrowaway } from '#platform/embedded/index.ts'
import { orThrow } from '#kernel/index.ts'
import { startOwnPostgres } from './own-postgres.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgres: { adminUrl: string; ownerUrl: string; runtimeUrl: string }
  }
}

let running:
  | Promise<{
      urls: { adminUrl: string; ownerUrl: string; runtimeUrl: string }
      dispose: () => Promise<void>
    }>
  | undefined
let users = 0

// One real PostgreSQL for the whole run, fsync on; the migrated database is the template that every
// test file clones. Vitest calls this once a project, so the projects share it by count.
const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  users += 1
  running ??= start()
  const { urls, dispose } = await running
  project.provide('postgres', urls)
  return async () => {
    users -= 1
    if (users === 0) await dispose()
  }
}

/** A server that somebody else has started and migrated, as the addresses that are provided. */
const given = z.object({ adminUrl: z.string(), ownerUrl: z.string(), runtimeUrl: z.string() })

async function start() {
  const elsewhere = process.env['TEST_POSTGRES']
  if (elsewhere !== undefined) {
    return { urls: given.parse(JSON.parse(elsewhere)), dispose: () => Promise.resolve() }
  }
  // Every test can run on a PostgreSQL of another version: `npm run test:postgres15`.
  const bin = process.env['TEST_POSTGRES_BIN']
  const cluster = bin ? await startOwnPostgres(bin) : await startThrowaway()
  orThrow(await migrate(cluster.ownerUrl))
  const { adminUrl, ownerUrl, runtimeUrl } = cluster
  return { urls: { adminUrl, ownerUrl, runtimeUrl }, dispose: () => cluster.dispose() }
}

export { setup }

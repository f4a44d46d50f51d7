import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from 'pg'
import { invariant } from '#kernel/index.ts'
import { makeTemporaryFolder } from '#platform/embedded/throwaway-cluster.ts'
import { findUnprivilegedUser, isRoot } from '#platform/embedded/unprivileged-user.ts'
import type { SystemUser } from '#platform/embedded/unprivileged-user.ts'

/** A PostgreSQL that somebody else brought, set up as docs/guides/own-postgresql.md says. */
export type OwnPostgres = {
  readonly adminUrl: string
  readonly ownerUrl: string
  readonly runtimeUrl: string
  readonly dispose: () => Promise<void>
}

/** Starts the server whose programs lie in `bin`, on a Unix socket in a folder that `dispose` removes. */
export async function startOwnPostgres(bin: string): Promise<OwnPostgres> {
  const folder = await makeTemporaryFolder()
  const user = isRoot() ? await findUnprivilegedUser() : undefined
  if (user) await chown(folder, user.uid, user.gid)
  const data = join(folder, 'data')
  const control = (...args: readonly string[]) =>
    run(join(bin, 'pg_ctl'), ['-D', data, ...args], user)
  await run(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'postgres', '--auth=trust', '--locale=C', '--encoding=UTF8'],
    user,
  )
  const settings = `-k ${folder} -c listen_addresses= -c max_connections=100`
  await control('-o', settings, '-l', join(folder, 'log'), '-w', 'start')
  const url = (role: string, database: string): string =>
    `postgres://${role}@/${database}?host=${encodeURIComponent(folder)}&port=5432`
  await prepare(url('postgres', 'postgres'))
  return {
    adminUrl: url('postgres', 'postgres'),
    ownerUrl: url('holdfast_owner', 'holdfast'),
    runtimeUrl: url('holdfast_app', 'holdfast'),
    dispose: async () => {
      await control('-m', 'fast', '-w', 'stop')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function prepare(adminUrl: string): Promise<void> {
  const client = new Client({ connectionString: adminUrl })
  await client.connect()
  try {
    const guide = await readFile('docs/guides/own-postgresql.md', 'utf8')
    const [, statements] = /```sql\n(.*?)```/s.exec(guide) ?? []
    invariant(statements, 'the guide has a block of SQL')
    for (const text of statements.trim().split(';\n')) await client.query(text)
  } finally {
    await client.end()
  }
}

async function run(
  program: string,
  args: readonly string[],
  user: SystemUser | undefined,
): Promise<void> {
  const child = spawn(program, args, {
    cwd: '/',
    stdio: ['ignore', 'ignore', 'inherit'],
    ...(user && { uid: user.uid, gid: user.gid }),
  })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`${program} ended with ${code}`)
}

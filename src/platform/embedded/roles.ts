import pg from 'pg'
import { connectionUrl } from './connection.ts'
import type { Connection } from './connection.ts'
import type { Passwords } from './secrets.ts'

/** The bootstrap superuser, used by the engine alone. */
export const SUPERUSER = 'postgres'
const DATABASE = 'holdfast'
const OWNER = 'holdfast_owner'
const RUNTIME = 'holdfast_app'
/** What migrations grant to. It cannot log in, so that the login may change without them. */
const RUNTIME_GROUP = 'holdfast_runtime'

const POWERLESS = 'login nosuperuser nocreatedb noreplication nobypassrls'

/** The URLs of the two roles: the owner migrates, the runtime role owns nothing. */
export function roleUrls(
  where: Connection,
  passwords: Passwords,
): { ownerUrl: string; runtimeUrl: string } {
  return {
    ownerUrl: connectionUrl(where, {
      role: OWNER,
      password: passwords.owner,
      database: DATABASE,
    }),
    runtimeUrl: connectionUrl(where, {
      role: RUNTIME,
      password: passwords.runtime,
      database: DATABASE,
    }),
  }
}

/** The URL of the superuser, for the roles below and for tests that clone databases. */
export function superuserUrl(
  where: Connection,
  passwords: Passwords,
  database = 'postgres',
): string {
  return connectionUrl(where, { role: SUPERUSER, password: passwords.superuser, database })
}

/** Makes roles and database, or puts right what a crash or a person left otherwise. */
export async function ensureRoles(where: Connection, passwords: Passwords): Promise<void> {
  await withClient(superuserUrl(where, passwords), async (client) => {
    const roles = await namesIn(client, 'select rolname as name from pg_roles')
    for (const role of [RUNTIME_GROUP, OWNER, RUNTIME])
      if (!roles.has(role)) await client.query(`create role ${role}`)
    await client.query(`
      alter role ${RUNTIME_GROUP} with nologin nosuperuser nocreatedb nocreaterole;
      alter role ${OWNER} with ${POWERLESS} createrole password ${client.escapeLiteral(passwords.owner)};
      alter role ${RUNTIME} with ${POWERLESS} nocreaterole password ${client.escapeLiteral(passwords.runtime)};
      grant ${RUNTIME_GROUP} to ${RUNTIME};
      grant ${RUNTIME_GROUP} to ${OWNER} with admin true, inherit false, set false;
      revoke connect on database postgres, template1 from public`)
    const databases = await namesIn(client, 'select datname as name from pg_database')
    if (!databases.has(DATABASE)) await client.query(`create database ${DATABASE} owner ${OWNER}`)
    await client.query(`
      alter database ${DATABASE} owner to ${OWNER};
      revoke all on database ${DATABASE} from public, ${RUNTIME};
      grant connect on database ${DATABASE} to ${RUNTIME}`)
  })
  await withClient(superuserUrl(where, passwords, DATABASE), async (client) => {
    await client.query('revoke create on schema public from public')
  })
}

async function namesIn(client: pg.Client, select: string): Promise<Set<string>> {
  const { rows } = await client.query<{ name: string }>(select)
  return new Set(rows.map((row) => row.name))
}

async function withClient(
  connectionString: string,
  body: (client: pg.Client) => Promise<void>,
): Promise<void> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 10_000 })
  // A connection that breaks between two statements fails the next one; it must not end the process.
  client.on('error', () => undefined)
  await client.connect()
  try {
    await body(client)
  } finally {
    await client.end()
  }
}

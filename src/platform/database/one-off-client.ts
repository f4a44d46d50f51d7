import { Client } from 'pg'
import { accept } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { answerWithin } from '../deadline.ts'
import { databaseUnavailable, isUnavailable, loginRefused } from './database-faults.ts'

const CONNECT_MAX_MS = 10_000
const ANSWER_MAX_MS = 30_000
const END_MAX_MS = 2_000

/** A connection for a few statements outside of the pool: 10 s to connect, `answerMaxMs` a statement. */
export function oneOffClient(url: string, answerMaxMs: number = ANSWER_MAX_MS): Client {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_MAX_MS,
    query_timeout: answerMaxMs,
    keepAlive: true,
  })
  // A connection that breaks between two statements fails the next one; it must not end the process.
  client.on('error', () => undefined)
  return client
}

/** Ends a connection; a server that does not take the goodbye is left after 2 s. */
export async function endClient(client: Client): Promise<void> {
  await withinOrLeave(client.end())
}

/** Waits for the end of a connection or a pool, at most 2 s: a frozen server never closes its side. */
export async function withinOrLeave(ending: Promise<unknown>): Promise<void> {
  const ended = ending.then(
    () => undefined,
    () => undefined,
  )
  await answerWithin(ended, END_MAX_MS, () => undefined)
}

/** Connects; refuses `database_unavailable` with host and port where nobody answers or lets us in. */
export async function connectOrRefuse(client: Client, url: string): Promise<Outcome<void>> {
  try {
    await client.connect()
    return accept(undefined)
  } catch (fault) {
    await endClient(client)
    const refused = loginRefused(url, fault)
    if (refused) return refused
    if (isUnavailable(fault) || isUnnamed(fault)) return databaseUnavailable(url)
    throw fault
  }
}

// The name of a host that does not resolve.
function isUnnamed(fault: unknown): boolean {
  return (
    fault instanceof Error && 'code' in fault && /^(ENOTFOUND|EAI_AGAIN)$/.test(String(fault.code))
  )
}

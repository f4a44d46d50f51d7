import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { accept } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { endClient } from './one-off-client.ts'
import { databaseUnavailable, isUnavailable } from './database-faults.ts'

const LOOK_EVERY_MS = 250
const CONNECT_MAX_MS = 5_000

/**
 * Waits until a database takes connections, at most `waitMs`: one that starts or recovers refuses them
 * for a while (57P03), and one that is not up yet is not there at all. `onWait` is told once, where
 * there is something to wait for. Refused: `database_unavailable`. Whatever else is wrong with it
 * (a password, a name) is left to whoever reads from it.
 */
export async function awaitDatabase(
  url: string,
  options: { readonly waitMs: number; readonly onWait?: () => void },
): Promise<Outcome<void>> {
  const untilMs = performance.now() + options.waitMs
  for (let look = 1; ; look += 1) {
    if (await takesConnections(url)) return accept(undefined)
    if (performance.now() >= untilMs) return databaseUnavailable(url)
    if (look === 1) options.onWait?.()
    await pause(Math.min(LOOK_EVERY_MS, options.waitMs))
  }
}

async function takesConnections(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MAX_MS })
  // A connection that breaks after it was made is told by the query that needed it, not by an exit.
  client.on('error', () => undefined)
  try {
    await client.connect()
    return true
  } catch (fault) {
    return !mayComeUp(fault)
  } finally {
    await endClient(client)
  }
}

// A name that does not resolve yet is how a database in a container of its own begins.
function mayComeUp(fault: unknown): boolean {
  if (isUnavailable(fault)) return true
  if (!(fault instanceof Error)) return false
  const code = 'code' in fault ? String(fault.code) : ''
  return (
    /^(ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT)$/.test(code) ||
    /terminated|timeout/i.test(fault.message)
  )
}

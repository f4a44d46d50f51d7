import { Client, escapeIdentifier } from 'pg'
import type { Database } from './database.ts'
import { endClient } from './one-off-client.ts'

/** A connection that waits for NOTIFY; `stop` closes it. */
export type Listener = { readonly stop: () => Promise<void> }

const RECONNECT_MS = 1_000

/**
 * Calls `wake` on every NOTIFY of a channel, and after each connect, because something may have been
 * missed. A hint only: it reconnects by itself each second, and whoever listens polls as well.
 */
export function listen(database: Database, channel: string, wake: () => void): Listener {
  let client: Client | undefined
  let timer: NodeJS.Timeout | undefined
  let isStopped = false

  const again = (): void => {
    client = undefined
    clearTimeout(timer)
    if (!isStopped) timer = setTimeout(() => void connect(), RECONNECT_MS)
  }
  const connect = async (): Promise<void> => {
    const { connectionString, connectionTimeoutMillis } = database.pool.options
    // What it listens for may come at any time, so only the connect and the LISTEN have an end.
    const next = new Client({
      ...(connectionString ? { connectionString } : {}),
      connectionTimeoutMillis,
      query_timeout: connectionTimeoutMillis,
      keepAlive: true,
    })
    client = next
    next.on('notification', wake)
    next.on('error', () => undefined)
    next.on('end', again)
    try {
      await next.connect()
      await next.query(`listen ${escapeIdentifier(channel)}`)
      wake()
    } catch {
      await endClient(next)
      if (client === next) again()
    }
  }
  const connecting = connect()
  return {
    stop: async () => {
      isStopped = true
      clearTimeout(timer)
      await connecting
      if (client) await endClient(client)
    },
  }
}

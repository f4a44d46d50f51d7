import type { Database } from '#platform/index.ts'

/** Wakes sleepers early. A hint only: whoever waits also wakes by itself. */
export type WorkSignal = {
  readonly wake: () => void
  /** Resolves true at the next wake, false after `timeoutMs`. A wake that nobody awaited is kept. */
  readonly wait: (timeoutMs: number) => Promise<boolean>
  readonly close: () => Promise<void>
}

const CHANNEL = 'holdfast_work'

/** A signal that also listens to the database; without a connection the poll alone wakes. */
export function listenForWork(database: Database): WorkSignal {
  let isPending = false
  let isClosed = false
  let release: (() => void) | undefined
  const wake = (): void => {
    isPending = true
    release?.()
  }
  let disconnect: (() => void) | undefined
  const connect = async (): Promise<void> => {
    const client = await database.pool.connect()
    let isGone = false
    const drop = (): void => {
      if (isGone) return
      isGone = true
      disconnect = undefined
      client.removeAllListeners('notification')
      client.release(true)
    }
    client.on('notification', wake)
    client.on('error', drop)
    disconnect = drop
    try {
      await client.query(`listen ${CHANNEL}`)
    } catch {
      drop()
    }
    if (isClosed) drop()
  }
  let connecting: Promise<void> | undefined
  const keepConnected = (): void => {
    if (disconnect || connecting || isClosed) return
    connecting = connect()
      .catch(() => undefined)
      .finally(() => {
        connecting = undefined
      })
  }
  keepConnected()
  return {
    wake,
    wait: async (timeoutMs) => {
      keepConnected()
      if (!isPending) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs)
          release = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      release = undefined
      const isWoken = isPending
      isPending = false
      return isWoken
    },
    close: async () => {
      isClosed = true
      wake()
      await connecting
      disconnect?.()
    },
  }
}

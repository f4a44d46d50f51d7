import { setTimeout as pause } from 'node:timers/promises'
import type { Log } from '../context.ts'
import { isUnavailable } from './database-faults.ts'
import { read } from './database.ts'
import type { Database } from './database.ts'
import { statement } from './statement.ts'

/** The keeper that runs; `stop` waits for the table under way. */
export type StatisticsKeeper = { readonly stop: () => Promise<void> }

const POLL_MS = 1_000

const analyzeGrown = statement({
  name: 'platform.analyze_grown_table',
  params: {},
  row: { grown: 'text' },
  text: `select grown from platform.analyze_grown_table() as grown where grown is not null`,
})

/** Refreshes the statistics of the largest table that doubled since they were made, and tells its name. */
export async function analyzeGrownTable(database: Database): Promise<string | undefined> {
  const [row] = await read(database, analyzeGrown, {})
  return row?.grown
}

/**
 * Looks every `pollMs` for tables that doubled since their statistics were made, so that no plan made on
 * an empty table outlives its growth. Any number of processes may run it; one at a time works.
 */
export function keepStatistics(
  database: Database,
  log: Log,
  pollMs: number = POLL_MS,
): StatisticsKeeper {
  const stopping = new AbortController()
  const { signal } = stopping
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await pause(pollMs, undefined, { signal, ref: false }).catch(() => undefined)
      try {
        let last: string | undefined
        let next = await analyzeGrownTable(database)
        // One that comes twice running grows as fast as we look: it has its turn at the next look.
        while (!signal.aborted && next !== undefined && next !== last) {
          last = next
          next = await analyzeGrownTable(database)
        }
      } catch (fault) {
        if (!isUnavailable(fault)) log.warn({ err: fault }, 'statistics could not be refreshed')
      }
    }
  }
  const running = run()
  return {
    stop: async () => {
      stopping.abort()
      await running
    },
  }
}

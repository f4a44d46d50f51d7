import { hasShipOnceIndex, listLanes } from '#fulfillment/index.ts'
import { answerWithin, closeDatabase, openDatabase } from '#platform/index.ts'
import type { Readiness } from '#web/index.ts'

/** What `/readyz` asks, over a connection of its own; `close` ends that. */
export type ReadinessLook = {
  readonly look: () => Promise<readonly Readiness[]>
  readonly close: () => Promise<void>
}

// With the beats of `startDeadline` on top each answer comes within a second.
const LOOK_MAX_MS = 500
const NO_DATABASE: readonly Readiness[] = [{ name: 'database', ok: false }]

/**
 * Does the database answer, and does the ship-once index stand. Shut lanes are named and change nothing, since
 * intake goes on. The answer comes within a second whatever
 * the database does, and a busy pool says nothing about it: probes have one connection to themselves, and
 * share the look that is under way.
 */
export function openReadiness(url: string, merchant: string): ReadinessLook {
  const database = openDatabase(url, {
    connectionsMax: 1,
    connectMaxMs: LOOK_MAX_MS,
    answerMaxMs: LOOK_MAX_MS,
  })
  let looking: Promise<readonly Readiness[]> | undefined
  const lookOnce = async (): Promise<readonly Readiness[]> => {
    try {
      const isThere = await hasShipOnceIndex(database)
      const lanes = await listLanes(database, merchant)
      const shut = lanes
        .flatMap((one) => (one.reason === null ? [] : `${one.partner_id} (${one.reason})`))
        .join(', ')
      return [
        { name: 'database', ok: true },
        { name: 'ship_once_index', ok: isThere },
        { name: 'lanes', ok: true, ...(shut === '' ? {} : { detail: `shut: ${shut}` }) },
      ]
    } catch {
      return NO_DATABASE
    } finally {
      looking = undefined
    }
  }
  return {
    look: () => answerWithin((looking ??= lookOnce()), LOOK_MAX_MS, () => NO_DATABASE),
    close: () => closeDatabase(database),
  }
}

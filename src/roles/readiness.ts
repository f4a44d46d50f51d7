import { hasShipOnceIndex } from '#fulfillment/index.ts'
import type { Context } from '#platform/index.ts'
import type { Readiness } from '#web/index.ts'

/** What `/readyz` asks: does the database answer, and does the ship-once index stand. */
export async function readiness({ database }: Context): Promise<readonly Readiness[]> {
  try {
    const isThere = await hasShipOnceIndex(database)
    return [
      { name: 'database', ok: true },
      { name: 'ship_once_index', ok: isThere },
    ]
  } catch {
    return [{ name: 'database', ok: false }]
  }
}

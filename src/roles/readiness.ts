import { hasShipOnceIndex, listLanes } from '#fulfillment/index.ts'
import type { Context } from '#platform/index.ts'
import type { Readiness } from '#web/index.ts'

/**
 * What `/readyz` asks: does the database answer, and does the ship-once index stand. Shut lanes are named and
 * change nothing: intake goes on.
 */
export async function readiness({ database, merchant }: Context): Promise<readonly Readiness[]> {
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
    return [{ name: 'database', ok: false }]
  }
}

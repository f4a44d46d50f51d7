import { systemClock } from '#kernel/index.ts'
import {
  nodeName,
  openDatabase,
  recordProvenance,
  schemaVersion,
  silentLog,
} from '#platform/index.ts'
import type { Database } from '#platform/index.ts'
import { fixedFlags } from '#flags/index.ts'
import { orderPlacing } from '#orders/index.ts'
import type { OrderPlacing } from '#orders/index.ts'
import { reviewKeys } from '#wire/index.ts'
import { BENCH_MASTER_KEY } from './world.ts'

/**
 * The placing lane of a server process, without the server around it. `watch` sees the database
 * before its first connection; the caller closes it.
 */
export async function openLane(
  url: string,
  watch: (database: Database) => void,
): Promise<{ readonly database: Database; readonly placing: OrderPlacing }> {
  const database = openDatabase(url, { connectionsMax: 1 })
  watch(database)
  const flagSetVersion = 0
  const id = await recordProvenance(database, 'main', {
    flagSetVersion,
    build: 'bench',
    schemaVersion: await schemaVersion(),
    node: nodeName(),
  })
  const context = {
    merchant: 'main',
    database,
    clock: systemClock,
    log: silentLog,
    provenance: () => Promise.resolve({ id, flagSetVersion }),
  }
  const placing = orderPlacing({
    context,
    flags: fixedFlags(),
    reviewKey: reviewKeys(BENCH_MASTER_KEY).signing,
  })
  return { database, placing }
}

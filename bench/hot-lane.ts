import { randomUUID } from 'node:crypto'
import { sha256, systemClock } from '#kernel/index.ts'
import {
  closeDatabase,
  openDatabase,
  recordProvenance,
  schemaVersion,
  silentLog,
} from '#platform/index.ts'
import { fixedFlags } from '#flags/index.ts'
import { orderPlacing } from '#orders/index.ts'
import { reviewKeys } from '#wire/index.ts'

/** Orders a second through the placing lane alone, `callers` at once, one unit of HOT each. */
export async function hotLane(url: string, callers: number, seconds: number): Promise<number> {
  const database = openDatabase(url, { connectionsMax: 4 })
  try {
    const flagSetVersion = 0
    const id = await recordProvenance(database, 'main', {
      flagSetVersion,
      build: 'bench',
      schemaVersion: await schemaVersion(),
      node: 'bench',
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
      reviewKey: reviewKeys(Buffer.alloc(32, 3)).signing,
    })
    const one = async (): Promise<boolean> => {
      const key = randomUUID()
      const outcome = await placing.place({
        input: { currency: 'GBP', country: 'GB', lines: [{ sku: 'HOT', qty: 1 }] },
        source: 'http',
        isTrusted: false,
        submittedHold: false,
        idempotency: { scope: 'bench', key, requestSha256: sha256(key) },
      })
      return outcome.kind === 'placed'
    }
    let placed = 0
    const begin = performance.now()
    await Promise.all(
      Array.from({ length: callers }, async () => {
        while (performance.now() - begin < seconds * 1_000) if (await one()) placed += 1
      }),
    )
    return placed / ((performance.now() - begin) / 1_000)
  } finally {
    await closeDatabase(database)
  }
}

import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { endClient, oneOffClient } from './one-off-client.ts'

/** What a database is for; said at its creation and never changed (`migrations/0018`). */
export type InstanceKind = 'product' | 'lab'

/**
 * Checks what a database is for. Refuses `lab_database` where the product meets one of the lab,
 * whose rows may come from a world without guards, and `product_database` the other way round.
 * Throws where the database cannot be read.
 */
export async function checkInstanceKind(url: string, wanted: InstanceKind): Promise<Outcome<void>> {
  const client = oneOffClient(url)
  await client.connect()
  try {
    const { rows } = await client.query<{ kind: string }>('select kind from platform.instance')
    if (rows[0]?.kind === wanted) return accept(undefined)
    return wanted === 'product'
      ? refuse(
          'lab_database',
          'The database was created for the lab: no role of the product runs on it.',
        )
      : refuse(
          'product_database',
          'The database was not created for the lab: no world without guards runs on it.',
        )
  } finally {
    await endClient(client)
  }
}

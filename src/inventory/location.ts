import { change, many, read, statement } from '#platform/index.ts'
import type { Database, Transaction } from '#platform/index.ts'

const insertLocation = statement({
  name: 'inventory.insert_location',
  params: { merchant: 'text', id: 'text', name: 'text' },
  text: `
    insert into inventory.location (merchant_id, id, name, rank)
    select $merchant, $id, $name, coalesce(max(rank), 0) + 1
      from inventory.location where merchant_id = $merchant
    on conflict do nothing`,
})

/** Every location, by rank. */
export const selectLocations = statement({
  name: 'inventory.select_locations',
  params: { merchant: 'text' },
  row: { id: 'text', name: 'text', rank: 'int4' },
  text: `select id, name, rank from inventory.location where merchant_id = $merchant order by rank`,
})

/** Adds a place where stock lies; ranks count up in the order of adding. Adding twice changes nothing. */
export async function addLocation(
  tx: Transaction,
  merchant: string,
  location: { id: string; name: string },
): Promise<void> {
  // Two at once draw the same rank, and the second inserts nothing: it sees the first and draws again.
  for (;;) {
    const known = await many(tx, selectLocations, { merchant })
    if (known.some((one) => one.id === location.id)) return
    if ((await change(tx, insertLocation, { merchant, ...location })) === 1) return
  }
}

/** All locations in order of rank. */
export async function listLocations(
  database: Database,
  merchant: string,
): Promise<readonly { id: string; name: string; rank: number }[]> {
  return read(database, selectLocations, { merchant })
}

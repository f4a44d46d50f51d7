import { read } from '#platform/index.ts'
import type { Database } from '#platform/index.ts'
import { selectShipOnceIndex } from './seal-statements.ts'

const EXPECTED =
  /\(merchant_id, fulfillment_id, generation\) WHERE \(state <> ALL \(ARRAY\['recalled'::text, 'rejected'::text, 'superseded'::text\]\)\)$/

/** True where the unique index that lets a line be live once exists, is valid and has its predicate. */
export async function hasShipOnceIndex(database: Database): Promise<boolean> {
  const rows = await read(database, selectShipOnceIndex, {})
  return rows.some((row) => EXPECTED.test(row.definition))
}

/** Throws where the guard is missing: nothing may be sealed or sent without it. */
export async function assertShipOnceIndex(database: Database): Promise<void> {
  if (await hasShipOnceIndex(database)) return
  throw new Error(
    'fulfillment.one_live_line is missing or changed: dispatch is refused; run holdfast migrate',
  )
}

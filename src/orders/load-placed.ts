import { many } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import { selectPlaced } from './order-statements.ts'
import type { PlacedOrder } from './place-request.ts'

/** What the first answers said of some orders, by id; an unknown id is left out. */
export async function loadPlaced(
  tx: Transaction,
  merchant: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, PlacedOrder>> {
  const rows = await many(tx, selectPlaced, { merchant, ids })
  return new Map(
    rows.map((row) => [
      row.id,
      {
        id: row.id,
        orderNumber: row.order_number,
        reference: row.reference,
        verdict: row.verdict === 'clear' || row.verdict === 'hold' ? row.verdict : 'unset',
        reasons: row.reasons ?? [],
        currency: row.currency,
        totalMinor: row.total_minor,
        // jsonb keeps its own order of keys; a replay says the same words in the same order.
        lines: row.lines.map(({ line, sku, qty, unit_price_minor }) => ({
          line,
          sku,
          qty,
          unit_price_minor,
        })),
      },
    ]),
  )
}

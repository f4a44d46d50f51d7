import { invariant } from '#kernel/index.ts'
import { many } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import { selectPlaced } from './place-statements.ts'
import type { PlaceItem } from './place-item.ts'
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
        shipByMs: row.ship_by?.getTime() ?? null,
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

/** The orders that stand already under the names that some items claimed. */
export async function loadKnown(
  tx: Transaction,
  merchant: string,
  items: readonly PlaceItem[],
): Promise<Map<PlaceItem, PlacedOrder>> {
  const known = items.filter((item) => item.isKnown)
  if (known.length === 0) return new Map()
  const orders = await loadPlaced(
    tx,
    merchant,
    known.map((item) => item.orderId),
  )
  return new Map(
    known.map((item) => {
      const order = orders.get(item.orderId)
      invariant(order, 'a claimed name stands for an order that exists')
      return [item, order]
    }),
  )
}

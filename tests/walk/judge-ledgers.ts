import type { ShopModel, ShopOrder } from './walk-model.ts'
import type { LedgerRow } from './walk-world.ts'

/** Rows of the partners that are about an order of the shop, by its own SKU. */
export function rowsOf(rows: readonly LedgerRow[], order: ShopOrder): readonly LedgerRow[] {
  return rows.filter((row) => row.lines.some((line) => line.sku === order.sku))
}

/** An acceptance that still binds the partner: neither recalled nor forgotten by it. */
export const isLive = (row: LedgerRow): boolean =>
  row.recalled_at === null && row.forgotten_at === null

/**
 * What must hold after every step, whatever the platform believes: no order is with partners twice,
 * and what a person holds, or what was cancelled, is with none.
 */
export function harmsIn(model: ShopModel, rows: readonly LedgerRow[]): readonly string[] {
  return model.orders.flatMap((order) => {
    const own = rowsOf(rows, order)
    const live = own.filter(isLive)
    const shipped = own.filter((row) => row.shipped_at !== null && row.recalled_at === null)
    const name = `order ${order.tag} (${order.id})`
    return [
      ...(live.length > 1 ? [`${name} is with partners ${live.length} times: ${where(live)}`] : []),
      ...(shipped.length > 1
        ? [`${name} was shipped ${shipped.length} times: ${where(shipped)}`]
        : []),
      ...(order.isCancelled && live.length > 0
        ? [`${name} was cancelled, and ${where(live)} has it`]
        : []),
      ...(order.isHeldByPerson && live.length > 0
        ? [`${name} is held, and ${where(live)} has it`]
        : []),
    ]
  })
}

const where = (rows: readonly LedgerRow[]): string =>
  rows.map((row) => `${row.partner} under ${row.key} as ${row.fulfillment_id}`).join(', ')

import { openAllocations } from '#inventory/index.ts'
import type { Allocation } from '#inventory/index.ts'
import { jsonOf, many, statement } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'

/** [line, location, units], as the certificate of a decision covers them. */
export type FrozenAllocations = readonly (readonly [number, string, number])[]
/** Units of a line at one location. */
export type DecidedAllocation = Pick<Allocation, 'lineNo' | 'locationId' | 'qty'>

const selectFrozen = statement({
  name: 'orders.select_frozen_allocations',
  params: { merchant: 'text', orders: 'text[]' },
  row: {
    order_id: 'text',
    allocations: jsonOf<FrozenAllocations>('the certificate covers them; the receiver proves it'),
  },
  text: `
    select distinct on (d.order_id) d.order_id, d.allocations
      from orders."order" o
      join orders.decision d
        on d.merchant_id = o.merchant_id and d.order_id = o.id and d.revision = o.revision
     where o.merchant_id = $merchant and o.id = any($orders) and d.allocations is not null
     order by d.order_id, d.number`,
})

/** What is stored, as allocations. */
export function thaw(frozen: FrozenAllocations): readonly DecidedAllocation[] {
  return frozen.map(([lineNo, locationId, qty]) => ({ lineNo, locationId, qty }))
}

/**
 * The allocations that a further decision on the same revision is about: those of the first, whatever has left
 * since, for units that are to ship from elsewhere need a new revision. Without one that kept them, the open ones.
 */
export async function decidedAllocations(
  tx: Transaction,
  merchant: string,
  orders: readonly string[],
): Promise<ReadonlyMap<string, readonly DecidedAllocation[]>> {
  const rows = await many(tx, selectFrozen, { merchant, orders })
  const frozen = new Map(rows.map((row) => [row.order_id, thaw(row.allocations)]))
  const others = orders.filter((id) => !frozen.has(id))
  const open = others.length > 0 ? await openAllocations(tx, merchant, others) : []
  return new Map<string, readonly DecidedAllocation[]>([...open, ...frozen])
}

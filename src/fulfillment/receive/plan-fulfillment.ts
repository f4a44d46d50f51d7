import { accept, newId, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import type { HandOverRecord } from '#wire/index.ts'
import type { FulfillmentLine } from '../seal/seal-body.ts'

/** A fulfillment order to be: what one partner is to ship of one revision of one order. */
export type PlannedFulfillment = {
  readonly id: string
  readonly orderId: string
  readonly revision: number
  readonly partnerId: string
  readonly locationId: string
  readonly lines: readonly FulfillmentLine[]
  /** The promise of its order, in milliseconds; null where it has none. */
  readonly shipByMs: number | null
}

type Order = Pick<HandOverRecord, 'orderId' | 'revision' | 'lines' | 'shipByMs'>
type Group = { readonly locationId: string; readonly lines: FulfillmentLine[] }

/**
 * Groups the allocations of orders by the partner of their location, lines in their order. Refused:
 * `location_unknown` where a location belongs to no partner.
 */
export function planFulfillments(
  orders: readonly Order[],
  partnerOf: ReadonlyMap<string, string>,
): Outcome<readonly PlannedFulfillment[]> {
  const planned: PlannedFulfillment[] = []
  for (const order of orders) {
    const groups = new Map<string, Group>()
    for (const line of order.lines) {
      for (const { locationId, qty } of line.allocations) {
        const partner = partnerOf.get(locationId)
        if (partner === undefined) {
          return refuse('location_unknown', `Location ${locationId} belongs to no partner.`)
        }
        const group = groups.get(partner) ?? { locationId, lines: [] }
        group.lines.push({ line_id: String(line.line), sku: line.sku, qty })
        groups.set(partner, group)
      }
    }
    for (const [partnerId, group] of groups) {
      const { orderId, revision, shipByMs } = order
      planned.push({ id: newId('ful'), orderId, revision, shipByMs, partnerId, ...group })
    }
  }
  return accept(planned)
}

import { accept, newId, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { NO_IDENTITY } from '#wire/index.ts'
import type { HandOverRecord } from '#wire/index.ts'
import { fulfillmentId } from '../fulfillment-id.ts'
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

type Order = Pick<HandOverRecord, 'orderId' | 'revision' | 'identity' | 'lines' | 'shipByMs'>
type Group = {
  readonly partnerId: string
  readonly locationId: string
  readonly lines: FulfillmentLine[]
}

/**
 * Groups the allocations of orders by the partner of their location, lines in their order. Parts are numbered by
 * their lines, not by who gets them, so that an order that is sent again makes the same ids. Refused:
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
        const partnerId = partnerOf.get(locationId)
        if (partnerId === undefined) {
          return refuse('location_unknown', `Location ${locationId} belongs to no partner.`)
        }
        const group = groups.get(partnerId) ?? { partnerId, locationId, lines: [] }
        group.lines.push({ line_id: String(line.line), sku: line.sku, qty })
        groups.set(partnerId, group)
      }
    }
    const { orderId, revision, shipByMs } = order
    for (const [index, group] of [...groups.values()].toSorted(byLines).entries()) {
      const id = idOf(order, index + 1, group.lines)
      planned.push({ id, orderId, revision, shipByMs, ...group })
    }
  }
  return accept(planned)
}

/** By the lowest line, then by the units and lines that follow; by partner only between equal parts. */
function byLines(a: Group, b: Group): number {
  for (const [index, one] of a.lines.entries()) {
    const other = b.lines[index]
    if (!other) return 1
    const difference = Number(one.line_id) - Number(other.line_id) || one.qty - other.qty
    if (difference !== 0) return difference
  }
  return a.lines.length - b.lines.length || (a.partnerId < b.partnerId ? -1 : 1)
}

/** An order without a name, or of an earlier build, gets random ids: nobody can tell its repeat. */
function idOf(
  { identity, revision }: Order,
  part: number,
  lines: readonly FulfillmentLine[],
): string {
  const isNamed = identity !== '' && identity !== NO_IDENTITY
  return isNamed ? fulfillmentId({ identity, revision, part }, lines) : newId('ful')
}

import type { NewCase } from '#cases/index.ts'
import type { NewEvent } from '#platform/index.ts'
import { shipmentEffect } from './inbound-lattice.ts'
import type { ShipmentEffect, Suspicion } from './inbound-lattice.ts'
import { generationOf } from './parcel.ts'
import type { PlacedParcel, UnitBook } from './parcel.ts'

/** What parcels mean: events, what pages, cases for people, and the orders that have shipped whole. */
export type ParcelVerdict = {
  readonly events: readonly NewEvent[]
  readonly alarms: readonly { readonly fulfillmentId: string; readonly reason: string }[]
  readonly cases: readonly NewCase[]
  readonly shipped: readonly string[]
}

/** Hours: goods that may have left twice are still on the road. */
const DOUBLE_SHIP_DUE_H = 1

/** Runs each new parcel through the lattice, in the order in which they came. Adds them to `book`. */
export function judgeParcels(
  placed: readonly PlacedParcel[],
  book: UnitBook,
  /** Ids of parcels that hold a unit which another parcel held before. */
  repeated: ReadonlySet<string>,
): ParcelVerdict {
  const events: NewEvent[] = []
  const alarms: { fulfillmentId: string; reason: string }[] = []
  const cases: NewCase[] = []
  const whole: string[] = []
  const states = new Map(placed.map((one) => [one.target.id, one.target.state]))
  for (const one of placed) {
    const { id, parcel, target } = one
    const state = states.get(target.id) ?? target.state
    const effect = effectOf(one, state, book, repeated.has(id))
    const data = {
      order_id: target.order_id,
      shipment_id: id,
      carrier: parcel.carrier,
      tracking_number: parcel.tracking_number,
    }
    events.push({ subjectId: target.id, kind: 'shipment.recorded', data })
    if (effect.kind === 'ship' || (effect.kind === 'suspect' && effect.ships)) {
      states.set(target.id, 'shipped')
      whole.push(target.id)
      const order = { order_id: target.order_id }
      events.push({ subjectId: target.id, kind: 'fulfillment.shipped', data: order })
    }
    if (effect.kind === 'unlisted') cases.push(unlistedCase(one))
    if (effect.kind === 'suspect') {
      alarms.push({ fulfillmentId: target.id, reason: effect.reason })
      const why = { ...data, reason: effect.reason }
      events.push({ subjectId: target.id, kind: 'double_ship_suspected', data: why })
      cases.push(doubleShipCase(one, state, effect.reason))
    }
  }
  return { events, alarms, cases, shipped: whole }
}

function effectOf(
  one: PlacedParcel,
  state: string,
  book: UnitBook,
  hasUnitTwice: boolean,
): ShipmentEffect {
  const { parcel, target, claim } = one
  const generation = generationOf(one)
  return shipmentEffect({
    state,
    isClaimed: claim?.state === 'live' && claim.generation === target.generation,
    ordered: book.allowed(target.id, generation, target.lines),
    shipped: book.ship(target.id, generation, parcel.lines),
    hasUnitTwice,
    isListed: parcel.lines.length > 0,
  })
}

const TITLES: Record<Suspicion, string> = {
  not_live: 'A parcel left that should not have: its line is not live.',
  over_shipped: 'More units left than were ordered.',
  unit_twice: 'One unit is in two parcels.',
}

function doubleShipCase(one: PlacedParcel, state: string, reason: Suspicion): NewCase {
  const { target, claim } = one
  const isRecalled = state === 'recalled' || claim?.state === 'recalled'
  return {
    kind: isRecalled ? 'shipped_after_recall' : 'double_ship',
    subjectId: target.id,
    orderId: target.order_id,
    partnerId: one.parcel.partner,
    title: isRecalled ? 'A parcel left after its recall.' : TITLES[reason],
    evidence: { ...evidenceOf(one), reason, state, claim: claim?.state ?? 'none' },
    dueHours: DOUBLE_SHIP_DUE_H,
  }
}

function unlistedCase(one: PlacedParcel): NewCase {
  return {
    kind: 'parcel_without_lines',
    subjectId: one.id,
    orderId: one.target.order_id,
    partnerId: one.parcel.partner,
    title: 'A partner told of a parcel and not of what is in it.',
    evidence: { ...evidenceOf(one), fulfillment: one.target.id },
  }
}

function evidenceOf({ id, parcel, target }: PlacedParcel) {
  return {
    shipment: id,
    partner_shipment: parcel.shipment_id,
    tracking: parcel.tracking_number ?? null,
    dispatch_key: parcel.dispatchKey,
    lines: parcel.lines.map(({ line_id, sku, qty }) => ({ line_id, sku, qty })),
    ordered: target.lines.map(({ line_id, sku, qty }) => ({ line_id, sku, qty })),
  }
}

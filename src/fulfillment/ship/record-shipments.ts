import { newId } from '#kernel/index.ts'
import { issueShipment } from '#inventory/index.ts'
import { many } from '#platform/index.ts'
import type { NewEvent, RowOf, Transaction } from '#platform/index.ts'
import { shipmentEffect } from './inbound-lattice.ts'
import { insertShipments, lockShipped, selectShippedLines, shipOrders } from './inbox-statements.ts'
import type { EventShipment } from './partner-event.ts'

/** One parcel as a partner reported it. */
export type ReportedShipment = EventShipment & {
  readonly partner: string
  readonly shippedAt: string
}

type Target = RowOf<typeof lockShipped.row>
type Recorded = { readonly id: string; readonly parcel: ReportedShipment; readonly target: Target }

/** What was recorded: the events of it, and what must be told loudly. */
export type ShipmentReport = {
  readonly events: readonly NewEvent[]
  readonly alarms: readonly { readonly fulfillmentId: string; readonly reason: string }[]
}

/**
 * Records parcels, many at a time: each once by the partner's own name for it, the fulfillment order
 * moved by the lattice, the stock issued. Goods that left against our books are recorded all the
 * same, and told as `double_ship_suspected`; a parcel of nothing we know is `shipment.unmatched`.
 */
export async function recordShipments(
  tx: Transaction,
  merchant: string,
  parcels: readonly ReportedShipment[],
): Promise<ShipmentReport> {
  if (parcels.length === 0) return { events: [], alarms: [] }
  const ids = [...new Set(parcels.map((one) => one.fulfillment_id))]
  const targets = new Map(
    (await many(tx, lockShipped, { merchant, ids })).map((row) => [row.id, row]),
  )
  const before = await many(tx, selectShippedLines, { merchant, ids })
  const candidates: Recorded[] = []
  const events: NewEvent[] = []
  const alarms: { fulfillmentId: string; reason: string }[] = []
  for (const parcel of parcels) {
    const target = targets.get(parcel.fulfillment_id)
    if (target?.partner_id === parcel.partner) {
      candidates.push({ id: newId('shp'), parcel, target })
      continue
    }
    alarms.push({ fulfillmentId: parcel.fulfillment_id, reason: 'unmatched' })
    const data = { partner_id: parcel.partner, shipment_id: parcel.shipment_id }
    events.push({ subjectId: parcel.fulfillment_id, kind: 'shipment.unmatched', data })
  }
  const inserted = await insertAll(tx, merchant, candidates)
  const recorded = candidates.filter((one) => inserted.has(one.id))
  const moved = moveEach(recorded, shippedUnits(before))
  alarms.push(...moved.alarms)
  if (moved.shipped.length > 0) await many(tx, shipOrders, { merchant, ids: moved.shipped })
  const issued = recorded.map(({ id, parcel, target }) => ({
    shipmentId: id,
    orderId: target.order_id,
    locationId: target.location_id,
    lines: parcel.lines.map(({ line_id, sku, qty }) => ({ lineNo: Number(line_id), sku, qty })),
  }))
  await issueShipment(tx, merchant, issued)
  return { events: [...events, ...moved.events], alarms }
}

async function insertAll(
  tx: Transaction,
  merchant: string,
  candidates: readonly Recorded[],
): Promise<ReadonlySet<string>> {
  if (candidates.length === 0) return new Set()
  const rows = await many(tx, insertShipments, {
    merchant,
    ids: candidates.map((one) => one.id),
    partners: candidates.map((one) => one.parcel.partner),
    names: candidates.map((one) => one.parcel.shipment_id),
    fulfillments: candidates.map((one) => one.target.id),
    dispatches: candidates.map((one) => one.target.dispatch_id ?? ''),
    carriers: candidates.map((one) => one.parcel.carrier ?? ''),
    trackings: candidates.map((one) => one.parcel.tracking_number ?? ''),
    lines: candidates.map((one) => JSON.stringify(one.parcel.lines)),
    shipped: candidates.map((one) => one.parcel.shippedAt),
  })
  return new Set(rows.map((row) => row.id))
}

type Units = Map<string, Map<string, number>>

const lineName = (line: { line_id: string; sku: string }): string => `${line.line_id} ${line.sku}`

function shippedUnits(rows: readonly RowOf<typeof selectShippedLines.row>[]): Units {
  const units: Units = new Map()
  for (const row of rows) addUnits(units, row.fulfillment_id, row.lines)
  return units
}

function addUnits(
  units: Units,
  fulfillment: string,
  lines: readonly { line_id: string; sku: string; qty: number }[],
): Map<string, number> {
  const ofOne = units.get(fulfillment) ?? new Map<string, number>()
  for (const line of lines) ofOne.set(lineName(line), (ofOne.get(lineName(line)) ?? 0) + line.qty)
  units.set(fulfillment, ofOne)
  return ofOne
}

/** Runs each recorded parcel through the lattice, in the order in which they came. */
function moveEach(
  recorded: readonly Recorded[],
  shipped: Units,
): ShipmentReport & { readonly shipped: readonly string[] } {
  const events: NewEvent[] = []
  const alarms: { fulfillmentId: string; reason: string }[] = []
  const whole: string[] = []
  const states = new Map(recorded.map((one) => [one.target.id, one.target.state]))
  for (const { id, parcel, target } of recorded) {
    const ordered = new Map(target.lines.map((line) => [lineName(line), line.qty]))
    const units = addUnits(shipped, target.id, parcel.lines)
    const effect = shipmentEffect(states.get(target.id) ?? target.state, ordered, units)
    const data = {
      order_id: target.order_id,
      shipment_id: id,
      carrier: parcel.carrier,
      tracking_number: parcel.tracking_number,
    }
    events.push({ subjectId: target.id, kind: 'shipment.recorded', data })
    if (effect.kind === 'ship') {
      states.set(target.id, 'shipped')
      whole.push(target.id)
      const order = { order_id: target.order_id }
      events.push({ subjectId: target.id, kind: 'fulfillment.shipped', data: order })
    }
    if (effect.kind === 'suspect') {
      alarms.push({ fulfillmentId: target.id, reason: effect.reason })
      const why = { ...data, reason: effect.reason }
      events.push({ subjectId: target.id, kind: 'double_ship_suspected', data: why })
    }
  }
  return { events, alarms, shipped: whole }
}

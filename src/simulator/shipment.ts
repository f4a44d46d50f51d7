import { base32, sha256 } from '#kernel/index.ts'
import type { Handling, LedgerOrder } from './ledger-record.ts'

/** Who ships. */
export type PartnerName = { readonly id: string; readonly name: string }

/** One parcel of one fulfillment, as the event shows it. */
export type Shipment = {
  readonly shipment_id: string
  readonly fulfillment_id: string
  readonly carrier: string
  readonly tracking_number: string
  readonly lines: LedgerOrder['lines']
}

/** What ships: an accepted order under its number in the ledger. */
export type NumberedOrder = LedgerOrder & { readonly number: number }

/** Events stay below 512 KiB; 480 KiB leaves room for their other fields. */
const EVENT_BYTES_MAX = 480 * 1_024

/**
 * The shipments of a dispatch, one list an event. A pure function of the ledger, so that neither a
 * retry nor a restart can mint another shipment id for the same goods.
 */
export function planShipments(
  partner: PartnerName,
  orders: readonly NumberedOrder[],
  { eventBytesMax = EVENT_BYTES_MAX, handling }: PackingTerms = {},
): readonly (readonly Shipment[])[] {
  const parcels = orders.flatMap((order, index) => {
    const isFirst = index === 0
    if (!isFirst || !handling) return packOrder(partner, order, eventBytesMax)
    if (handling.kind === 'short_ship')
      return packOrder(partner, shortened(order, handling.units), eventBytesMax)
    const right = packOrder(partner, order, eventBytesMax)
    return handling.kind === 'double_ship' ? [...right, again(partner, order, right.length)] : right
  })
  return cut(parcels, eventBytesMax)
}

/** How the goods are packed: the size of an event in bytes, and what the warehouse does wrongly. */
export type PackingTerms = {
  readonly eventBytesMax?: number
  readonly handling?: Handling | undefined
}

// Units are left out from the last line on; a line without units is not in the parcel.
function shortened(order: NumberedOrder, units: number): NumberedOrder {
  let missing = units
  const lines = order.lines.toReversed().flatMap((line) => {
    const left = Math.min(missing, line.qty)
    missing -= left
    return left === line.qty ? [] : [{ ...line, qty: line.qty - left }]
  })
  return { ...order, lines: lines.toReversed() }
}

// The first line once more, in a parcel of its own: the harm that counting units must find.
function again(partner: PartnerName, order: NumberedOrder, parcels: number): Shipment {
  return parcelOf(partner, order, order.lines.slice(0, 1), parcels + 1)
}

/** The tracking number of a fulfillment's first parcel: initials and twelve digits of a hash. */
export function trackingNumber(partner: PartnerName, number: number, parcel = 1): string {
  const initials = partner.name.replaceAll(/[^A-Z]/g, '').slice(0, 4) || 'X'
  return `${initials}${base32(sha256(shipmentId(partner, number, parcel)))
    .slice(0, 12)
    .toUpperCase()}`
}

function shipmentId(partner: PartnerName, number: number, parcel: number): string {
  const id = `${partner.id}-${String(number).padStart(8, '0')}`
  return parcel === 1 ? id : `${id}-${parcel}`
}

// A fulfillment whose lines alone would fill an event ships in several parcels.
function packOrder(partner: PartnerName, order: NumberedOrder, bytesMax: number): Shipment[] {
  const bytes = Buffer.byteLength(JSON.stringify(order.lines))
  const parcels = bytes < bytesMax - 1_024 ? [order.lines] : cut(order.lines, bytesMax - 1_024)
  return parcels
    .filter((lines) => lines.length > 0)
    .map((lines, index) => parcelOf(partner, order, lines, index + 1))
}

function parcelOf(
  partner: PartnerName,
  order: NumberedOrder,
  lines: LedgerOrder['lines'],
  parcel: number,
): Shipment {
  return {
    shipment_id: shipmentId(partner, order.number, parcel),
    fulfillment_id: order.fulfillment_id,
    carrier: partner.name,
    tracking_number: trackingNumber(partner, order.number, parcel),
    lines,
  }
}

function cut<T>(items: readonly T[], bytesMax: number): T[][] {
  const parts: T[][] = []
  let held = Number.POSITIVE_INFINITY
  for (const item of items) {
    const bytes = Buffer.byteLength(JSON.stringify(item)) + 1
    if (held + bytes > bytesMax) {
      parts.push([])
      held = 0
    }
    parts.at(-1)?.push(item)
    held += bytes
  }
  return parts
}

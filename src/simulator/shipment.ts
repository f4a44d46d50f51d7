import { base32, sha256 } from '#kernel/index.ts'
import type { LedgerOrder } from './ledger-record.ts'

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
  eventBytesMax: number = EVENT_BYTES_MAX,
): readonly (readonly Shipment[])[] {
  const parcels = orders.flatMap((order) => packOrder(partner, order, eventBytesMax))
  return cut(parcels, eventBytesMax)
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
  return parcels.map((lines, index) => ({
    shipment_id: shipmentId(partner, order.number, index + 1),
    fulfillment_id: order.fulfillment_id,
    carrier: partner.name,
    tracking_number: trackingNumber(partner, order.number, index + 1),
    lines,
  }))
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

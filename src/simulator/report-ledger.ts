import { trackingNumber } from './shipment.ts'
import type { PartnerName } from './shipment.ts'
import type { Ledger } from './ledger.ts'
import type { DispatchEntry } from './ledger-state.ts'
import { json } from './problem.ts'
import type { Answer } from './problem.ts'
import { shipmentsOf } from './ship-dispatch.ts'

/**
 * The rows of `GET /ledger`, one NDJSON line per accepted fulfillment, in order of acceptance. The
 * same fulfillment accepted twice is two rows: that is how a double ship is seen from outside.
 */
export async function* ledgerRows(ledger: Ledger, partner: PartnerName): AsyncGenerator<string> {
  // The barrier: what was answered before this request is on the disk and in the rows.
  await ledger.transact(() => {})
  let number = 0
  for await (const { record } of ledger.records()) {
    if (record.t !== 'accepted') continue
    const entry = ledger.state.dispatches[number]
    number += 1
    if (!entry || entry.isProbe || record.orders.length === 0) continue
    const shipped = await shippedUnits(ledger, partner, entry)
    const rows = record.orders.map((order, index) => {
      const one = entry.fulfillments[index]
      const shippedAt = one?.shippedAt ?? null
      return JSON.stringify({
        partner: partner.id,
        fulfillment_id: order.fulfillment_id,
        order_key: order.order_key,
        key: record.key,
        batch: record.batch,
        revision: record.revision,
        sequence: record.sequence,
        lines: order.lines,
        accepted_at: record.at,
        shipped_at: shippedAt,
        shipped_lines: order.lines.map((line) => ({
          ...line,
          qty: shipped.get(`${order.fulfillment_id} ${line.line_id}`) ?? 0,
        })),
        forgotten_at: entry.forgottenAt,
        recalled_at: one?.recalledAt ?? null,
        tracking_number: shippedAt === null ? null : trackingNumber(partner, record.first + index),
        acceptances: ledger.state.acceptances.get(order.fulfillment_id)?.total ?? 0,
      })
    })
    yield `${rows.join('\n')}\n`
  }
}

/** Units that really left in all parcels of one acceptance, by fulfillment and line. */
async function shippedUnits(
  ledger: Ledger,
  partner: PartnerName,
  dispatch: DispatchEntry,
): Promise<ReadonlyMap<string, number>> {
  const units = new Map<string, number>()
  for (const event of dispatch.shippedEvents) {
    for (const parcel of await shipmentsOf(ledger, partner, event)) {
      for (const { line_id, qty } of parcel.lines) {
        const name = `${parcel.fulfillment_id} ${line_id}`
        units.set(name, (units.get(name) ?? 0) + qty)
      }
    }
  }
  return units
}

/** `GET /ledger/summary`: the partner's own count of what it took. */
export async function ledgerSummary(ledger: Ledger, partner: PartnerName): Promise<Answer> {
  await ledger.transact(() => {})
  const { state } = ledger
  return json(200, {
    partner: partner.id,
    ledger_id: state.ledgerId,
    dispatches: state.dispatches.length - state.totals.probes,
    fulfillments: state.totals.accepted,
    units: state.totals.units,
    shipped: state.totals.shipped,
    recalled: state.totals.recalled,
    tombstones: state.totals.tombstones,
    probes: state.totals.probes,
    /** Acceptances, probes among them, that a restore has lost. */
    forgotten: state.totals.forgotten,
    /** Fulfillment ids with more than one acceptance that was not recalled. */
    duplicate_fulfillments: state.totals.duplicates,
    replays: state.totals.replays,
    events_delivered: state.totals.eventsDelivered,
    events_pending: state.pendingEvents.size,
    highest_sequence: state.bySequence.at(-1)?.sequence ?? 0,
    fence_epoch: state.fenceEpoch,
  })
}

import { trackingNumber } from './shipment.ts'
import type { PartnerName } from './shipment.ts'
import type { Ledger } from './ledger.ts'
import { json } from './problem.ts'
import type { Answer } from './problem.ts'

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
    const rows = record.orders.map((order, index) => {
      const one = entry?.fulfillments[index]
      const shippedAt = one?.recalledAt === null ? (entry?.shippedAt ?? null) : null
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
        recalled_at: one?.recalledAt ?? null,
        tracking_number: shippedAt === null ? null : trackingNumber(partner, record.first + index),
        acceptances: ledger.state.acceptances.get(order.fulfillment_id)?.total ?? 0,
      })
    })
    yield `${rows.join('\n')}\n`
  }
}

/** `GET /ledger/summary`: the partner's own count of what it took. */
export async function ledgerSummary(ledger: Ledger, partner: PartnerName): Promise<Answer> {
  await ledger.transact(() => {})
  const { state } = ledger
  return json(200, {
    partner: partner.id,
    ledger_id: state.ledgerId,
    dispatches: state.dispatches.length,
    fulfillments: state.nextFulfillment - 1,
    units: state.totals.units,
    shipped: state.totals.shipped,
    recalled: state.totals.recalled,
    tombstones: state.totals.tombstones,
    /** Fulfillment ids with more than one acceptance that was not recalled. */
    duplicate_fulfillments: state.totals.duplicates,
    replays: state.totals.replays,
    events_delivered: state.totals.eventsDelivered,
    events_pending: state.pendingEvents.size,
    highest_sequence: state.bySequence.at(-1)?.sequence ?? 0,
    fence_epoch: state.fenceEpoch,
  })
}

import { base32, sha256 } from '#kernel/index.ts'
import type { Ledger } from './ledger.ts'
import type { PendingEvent } from './ledger-state.ts'
import { shipmentsOf } from './ship-dispatch.ts'
import type { PartnerName } from './shipment.ts'

/** An event as it is sent: the id and the bytes are the same at every attempt. */
export type PartnerEvent = { readonly id: string; readonly body: string }

/** Renders an event from the ledger alone (`holdfast.partner-event/1`). */
export async function renderEvent(
  ledger: Ledger,
  partner: PartnerName,
  event: PendingEvent,
): Promise<PartnerEvent> {
  const { dispatch, part } = event
  const common = { partner: partner.id, sequence: event.sequence, occurred_at: event.at }
  const schema = 'holdfast.partner-event/1'
  const value = part
    ? {
        schema,
        type: 'shipment.shipped',
        ...common,
        dispatch_key: dispatch.key,
        shipments: await shipmentsOf(ledger, partner, { dispatch, part }),
      }
    : {
        schema,
        type: 'dispatch.accepted',
        ...common,
        dispatch_key: dispatch.key,
        fulfillments: dispatch.fulfillments.map((one) => one.id),
      }
  // The ledger's own id keeps a wiped ledger from sending other content under an old id.
  const identity = sha256(`${ledger.state.ledgerId}/${partner.id}/${event.sequence}`)
  return { id: `evt_${base32(identity.subarray(0, 20))}`, body: JSON.stringify(value) }
}

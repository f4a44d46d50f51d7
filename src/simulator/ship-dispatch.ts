import { invariant } from '#kernel/index.ts'
import type { Append, Ledger } from './ledger.ts'
import type { DispatchEntry, FulfillmentEntry, ShipmentPart } from './ledger-state.ts'
import { planShipments } from './shipment.ts'
import type { NumberedOrder, PartnerName, Shipment } from './shipment.ts'

/** Ships what is not recalled of a dispatch, once; `also` is written in the same stroke. */
export async function shipDispatch(
  ledger: Ledger,
  partner: PartnerName,
  dispatch: DispatchEntry,
  also: (append: Append) => void = () => {},
): Promise<void> {
  const orders = await ordersOf(ledger, dispatch)
  await ledger.transact((append) => {
    also(append)
    const leaving = leavingOf(dispatch)
    if (dispatch.shippedAt !== null || dispatch.forgottenAt !== null || leaving.length === 0) return
    const fulfillments = leaving.map((one) => one.number)
    const packed = pick(orders, new Set(fulfillments))
    append({
      t: 'shipped',
      at: new Date().toISOString(),
      dispatch: dispatch.number,
      event: ledger.state.nextEvent,
      events: planShipments(partner, packed, { handling: dispatch.handling }).length,
      fulfillments,
    })
  })
}

/** The shipments of one event of a shipped dispatch; the same at every call. */
export async function shipmentsOf(
  ledger: Ledger,
  partner: PartnerName,
  { dispatch, part }: { readonly dispatch: DispatchEntry; readonly part: ShipmentPart },
): Promise<readonly Shipment[]> {
  const orders = pick(await ordersOf(ledger, dispatch), part.fulfillments)
  const { handling } = dispatch
  const shipments = planShipments(partner, orders, { handling })[part.index]
  invariant(shipments, 'a shipped event has its shipments')
  return shipments
}

function pick(orders: readonly NumberedOrder[], numbers: ReadonlySet<number>) {
  return orders.filter((one) => numbers.has(one.number))
}

async function ordersOf(ledger: Ledger, dispatch: DispatchEntry): Promise<NumberedOrder[]> {
  const record = await ledger.read(dispatch.span)
  invariant(record.t === 'accepted', 'a dispatch stands where its acceptance was written')
  return record.orders.map(({ fulfillment_id, order_key, lines }, index) => ({
    number: record.first + index,
    fulfillment_id,
    order_key,
    lines,
  }))
}

/** True where picking has begun, nothing has left yet and something still may. */
export function isToShip(dispatch: DispatchEntry): boolean {
  const isOpen = dispatch.shippedAt === null && dispatch.forgottenAt === null
  return dispatch.isTold && isOpen && leavingOf(dispatch).length > 0
}

// A recalled order stays, except where the warehouse does not look at recalls.
function leavingOf({ fulfillments, handling }: DispatchEntry): readonly FulfillmentEntry[] {
  if (handling?.kind === 'ship_recalled') return fulfillments
  return fulfillments.filter((one) => one.recalledAt === null)
}

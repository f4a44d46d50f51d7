import { invariant } from '#kernel/index.ts'
import type { Append, Ledger } from './ledger.ts'
import type { DispatchEntry, FulfillmentEntry } from './ledger-state.ts'
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
    const live = dispatch.fulfillments.filter((one) => one.recalledAt === null)
    if (dispatch.shippedAt !== null || live.length === 0) return
    const fulfillments = live.map((one) => one.number)
    append({
      t: 'shipped',
      at: new Date().toISOString(),
      dispatch: dispatch.number,
      event: ledger.state.nextEvent,
      events: planShipments(partner, pick(orders, new Set(fulfillments))).length,
      fulfillments,
    })
  })
}

/** The shipments of one event of a shipped dispatch; the same at every call. */
export async function shipmentsOf(
  ledger: Ledger,
  partner: PartnerName,
  shipped: {
    dispatch: DispatchEntry
    part: { index: number; fulfillments: ReadonlySet<number> }
  },
): Promise<readonly Shipment[]> {
  const orders = await ordersOf(ledger, shipped.dispatch)
  const shipments = planShipments(partner, pick(orders, shipped.part.fulfillments))[
    shipped.part.index
  ]
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
  const isOpen = (one: FulfillmentEntry): boolean => one.recalledAt === null
  return dispatch.isTold && dispatch.shippedAt === null && dispatch.fulfillments.some(isOpen)
}

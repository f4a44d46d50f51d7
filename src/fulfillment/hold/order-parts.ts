import { many, statement } from '#platform/index.ts'
import type { RowOf, Transaction } from '#platform/index.ts'

const selectParts = statement({
  name: 'fulfillment.select_decided_parts',
  params: { merchant: 'text', order: 'text', revision: 'int4' },
  row: {
    id: 'text',
    partner_id: 'text',
    location_id: 'text',
    state: 'text',
    wish: 'text?',
    parcels: 'int4',
  },
  text: `
    select f.id, f.partner_id, f.location_id, f.state, r.state as wish,
           (select count(*) from fulfillment.shipment s
             where s.merchant_id = f.merchant_id and s.fulfillment_id = f.id)::int as parcels
      from fulfillment.fulfillment_order f
      left join fulfillment.recall_line r
        on r.merchant_id = f.merchant_id and r.dispatch_id = f.dispatch_id
       and r.fulfillment_id = f.id
     where f.merchant_id = $merchant and f.order_id = $order and f.revision <= $revision
     order by f.id`,
})

/** What one partner has, or is to have, of an order. `asked_back` may still leave; `held` may not. */
export type OrderPart = {
  readonly fulfillmentId: string
  readonly partnerId: string
  readonly locationId: string
  readonly state: 'held' | 'open' | 'with_partner' | 'asked_back' | 'left' | 'ended'
  /** Parcels of it that have left. */
  readonly parcels: number
}

/** The parts of an order up to a revision, as they stand; call it under their locks. */
export async function orderParts(
  tx: Transaction,
  merchant: string,
  order: string,
  revision: number,
): Promise<readonly OrderPart[]> {
  const rows = await many(tx, selectParts, { merchant, order, revision })
  return rows.map((row) => ({
    fulfillmentId: row.id,
    partnerId: row.partner_id,
    locationId: row.location_id,
    state: stateOf(row),
    parcels: row.parcels,
  }))
}

/** Open, `in_progress` and unanswered wishes alike: the part may still leave. */
const ASKED = new Set(['requested', 'in_progress', 'unknown_order'])

function stateOf({ state, wish, parcels }: RowOf<typeof selectParts.row>): OrderPart['state'] {
  if (state === 'shipped' || state === 'delivered') return 'left'
  if (state === 'withdrawn' || state === 'recalled') return parcels > 0 ? 'left' : 'ended'
  if (state === 'open') return 'open'
  if (state !== 'sealed' && state !== 'accepted') return 'held'
  if (wish === 'too_late') return 'left'
  return ASKED.has(wish ?? '') ? 'asked_back' : 'with_partner'
}

import { change, many, statement } from '#platform/index.ts'
import type { NewEvent, Transaction } from '#platform/index.ts'
import { lockShipped } from './inbox-statements.ts'

/** A parcel as its partner names it. */
export type ParcelName = { readonly partner: string; readonly shipment_id: string }

/** A parcel that reached its address, as its partner reported it. */
export type ReportedDelivery = ParcelName & {
  readonly fulfillment_id: string
  readonly deliveredAt: string
}

const insertDeliveries = statement({
  name: 'fulfillment.insert_parcel_deliveries',
  params: {
    merchant: 'text',
    partners: 'text[]',
    names: 'text[]',
    fulfillments: 'text[]',
    delivered: 'timestamptz[]',
  },
  text: `
    insert into fulfillment.parcel_delivery
      (merchant_id, partner_id, partner_shipment_id, fulfillment_id, delivered_at)
    select $merchant, d.partner_id, d.name, d.fulfillment_id, d.delivered_at
      from (select unnest($partners) as partner_id, unnest($names) as name,
                   unnest($fulfillments) as fulfillment_id, unnest($delivered) as delivered_at) as d
        on conflict do nothing`,
})

const matchDeliveries = statement({
  name: 'fulfillment.match_parcel_deliveries',
  params: { merchant: 'text', partners: 'text[]', names: 'text[]' },
  row: { id: 'text', fulfillment_id: 'text', order_id: 'text', delivered_at: 'timestamptz' },
  text: `
    with named as materialized (
      select distinct $merchant as merchant_id, n.partner_id, n.name
        from (select unnest($partners) as partner_id, unnest($names) as name) as n
    )
    update fulfillment.parcel_delivery p
       set shipment_id = s.id
      from named n
      join fulfillment.shipment s on s.merchant_id = n.merchant_id
       and s.partner_id = n.partner_id and s.partner_shipment_id = n.name
      join fulfillment.fulfillment_order f
        on f.merchant_id = s.merchant_id and f.id = s.fulfillment_id
     where p.merchant_id = n.merchant_id and p.partner_id = n.partner_id
       and p.partner_shipment_id = n.name and p.fulfillment_id = s.fulfillment_id
       and p.shipment_id is null
    returning s.id, s.fulfillment_id, f.order_id, p.delivered_at`,
})

const deliverOrders = statement({
  name: 'fulfillment.deliver_fulfillment_orders',
  params: { merchant: 'text', ids: 'text[]' },
  row: { id: 'text', order_id: 'text' },
  text: `
    update fulfillment.fulfillment_order f
       set state = 'delivered', updated_at = now()
     where f.merchant_id = $merchant and f.id = any($ids) and f.state = 'shipped'
       and not exists (
         select from fulfillment.shipment s
          where s.merchant_id = f.merchant_id and s.fulfillment_id = f.id
            and s.generation = f.generation
            and not exists (select from fulfillment.parcel_delivery p
                             where p.merchant_id = s.merchant_id and p.partner_id = s.partner_id
                               and p.partner_shipment_id = s.partner_shipment_id
                               and p.shipment_id = s.id))
    returning f.id, f.order_id`,
})

/**
 * Records deliveries, each once by the partner's own name for the parcel, whichever of parcel and
 * delivery is told first. An order is delivered when it has shipped whole and each of its parcels has
 * arrived; the lattice never goes back. `parcels` are those of the same transaction.
 */
export async function recordDeliveries(
  tx: Transaction,
  merchant: string,
  delivered: readonly ReportedDelivery[],
  parcels: readonly ParcelName[],
): Promise<readonly NewEvent[]> {
  const named = [...delivered, ...parcels]
  if (named.length === 0) return []
  if (delivered.length > 0) {
    // The same lock that a parcel of this order takes: of the two, the second sees the first.
    await many(tx, lockShipped, { merchant, ids: delivered.map((one) => one.fulfillment_id) })
    await change(tx, insertDeliveries, {
      merchant,
      partners: delivered.map((one) => one.partner),
      names: delivered.map((one) => one.shipment_id),
      fulfillments: delivered.map((one) => one.fulfillment_id),
      delivered: delivered.map((one) => one.deliveredAt),
    })
  }
  const matched = await many(tx, matchDeliveries, {
    merchant,
    partners: named.map((one) => one.partner),
    names: named.map((one) => one.shipment_id),
  })
  if (matched.length === 0) return []
  const ids = [...new Set(matched.map((row) => row.fulfillment_id))]
  const done = await many(tx, deliverOrders, { merchant, ids })
  return [
    ...matched.map((row) => ({
      subjectId: row.fulfillment_id,
      kind: 'shipment.delivered',
      data: {
        order_id: row.order_id,
        shipment_id: row.id,
        delivered_at: row.delivered_at.toISOString(),
      },
    })),
    ...done.map((row) => ({
      subjectId: row.id,
      kind: 'fulfillment.delivered',
      data: { order_id: row.order_id },
    })),
  ]
}

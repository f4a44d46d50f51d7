import { jsonOf, read, statement } from '#platform/index.ts'
import type { Database, RowOf } from '#platform/index.ts'
import { lineColumn } from './fulfillment-statements.ts'
import type { FulfillmentLine } from './seal/seal-body.ts'

const ORDER = {
  id: 'text',
  order_id: 'text',
  order_number: 'text?',
  revision: 'int4',
  partner_id: 'text',
  location_id: 'text',
  generation: 'int4',
  state: 'text',
  cleared_by: 'text?',
  effective_at: 'timestamptz?',
  dispatch_id: 'text?',
  lines: lineColumn,
  ship_by: 'timestamptz?',
  ship_by_alarm: 'text?',
  created_at: 'timestamptz',
  updated_at: 'timestamptz',
} as const

const COLUMNS = `f.id, f.order_id, r.order_number, f.revision, f.partner_id, f.location_id,
  f.generation, f.state, f.cleared_by, f.effective_at, f.dispatch_id, f.lines, f.ship_by, f.ship_by_alarm, f.created_at, f.updated_at`
const FROM = `fulfillment.fulfillment_order f
  left join fulfillment.received_order r
    on r.merchant_id = f.merchant_id and r.order_id = f.order_id and r.revision = f.revision`

const listByState = statement({
  name: 'fulfillment.list_fulfillment_orders',
  params: { merchant: 'text', state: 'text?', alarm: 'text?', before: 'text?', limit: 'int4' },
  row: ORDER,
  text: `
    select ${COLUMNS} from ${FROM}
     where f.merchant_id = $merchant and ($state is null or f.state = $state)
       and ($alarm is null or f.ship_by_alarm = $alarm)
       and ($before is null or (f.created_at, f.id) <
             (select b.created_at, b.id from fulfillment.fulfillment_order b
               where b.merchant_id = f.merchant_id and b.id = $before))
     order by f.created_at desc, f.id desc
     limit $limit`,
})

const listByOrder = statement({
  name: 'fulfillment.list_fulfillment_of_order',
  params: { merchant: 'text', order: 'text' },
  row: ORDER,
  text: `
    select ${COLUMNS} from ${FROM}
     where f.merchant_id = $merchant and f.order_id = $order
     order by f.id`,
})

const selectById = statement({
  name: 'fulfillment.select_fulfillment_order',
  params: { merchant: 'text', id: 'text' },
  row: ORDER,
  text: `select ${COLUMNS} from ${FROM} where f.merchant_id = $merchant and f.id = $id`,
})

const listHolds = statement({
  name: 'fulfillment.list_holds',
  params: { merchant: 'text', ids: 'text[]' },
  row: {
    id: 'text',
    fulfillment_id: 'text',
    kind: 'text',
    reasons: 'text[]',
    placed_by: 'text',
    placed_at: 'timestamptz',
    released_at: 'timestamptz?',
    released_by: 'text?',
    release_reason: 'text?',
  },
  text: `
    select id, fulfillment_id, kind, reasons, placed_by, placed_at, released_at, released_by,
           release_reason
      from fulfillment.hold
     where merchant_id = $merchant and fulfillment_id = any($ids)
     order by id`,
})

const SHIPMENT = {
  id: 'text',
  partner_id: 'text',
  partner_shipment_id: 'text',
  fulfillment_id: 'text',
  generation: 'int4',
  dispatch_id: 'text',
  carrier: 'text?',
  tracking_number: 'text?',
  lines: jsonOf<readonly FulfillmentLine[]>('shown as it stands: nothing is decided by it'),
  shipped_at: 'timestamptz',
  delivered_at: 'timestamptz?',
  recorded_at: 'timestamptz',
} as const
const SHIPMENT_COLUMNS = `s.id, s.partner_id, s.partner_shipment_id, s.fulfillment_id, s.generation, s.dispatch_id, s.carrier,
  s.tracking_number, s.lines, s.shipped_at, p.delivered_at, s.recorded_at`
const SHIPMENTS = `fulfillment.shipment s
  left join fulfillment.parcel_delivery p on p.merchant_id = s.merchant_id and p.partner_id = s.partner_id
   and p.partner_shipment_id = s.partner_shipment_id and p.shipment_id = s.id`

const listShipmentsOf = statement({
  name: 'fulfillment.list_shipments_of_orders',
  params: { merchant: 'text', ids: 'text[]' },
  row: SHIPMENT,
  text: `
    select ${SHIPMENT_COLUMNS} from ${SHIPMENTS}
     where s.merchant_id = $merchant and s.fulfillment_id = any($ids)
     order by s.id`,
})

const listAllShipments = statement({
  name: 'fulfillment.list_shipments',
  params: { merchant: 'text', before: 'text?', limit: 'int4' },
  row: SHIPMENT,
  text: `
    select ${SHIPMENT_COLUMNS} from ${SHIPMENTS}
     where s.merchant_id = $merchant and ($before is null or s.id < $before)
     order by s.id desc
     limit $limit`,
})

const countByState = statement({
  name: 'fulfillment.count_fulfillment_orders',
  params: { merchant: 'text' },
  row: { state: 'text', count: 'int8' },
  text: `
    select state, count(*) as count from fulfillment.fulfillment_order
     where merchant_id = $merchant group by state order by state`,
})

/** A fulfillment order as lists show it. */
export type FulfillmentRow = RowOf<typeof ORDER>
/** A hold with its release, if any. */
export type HoldRow = RowOf<typeof listHolds.row>
/** A parcel; `delivered_at` where its partner has told that it arrived. */
export type ShipmentRow = RowOf<typeof SHIPMENT>
/** A page of a list that goes from the newest to the oldest id. */
export type Page = { readonly before?: string; readonly limit: number }

/** Fulfillment orders, newest first, of one state or alarm or of all. */
export function listFulfillments(
  database: Database,
  merchant: string,
  page: Page & { readonly state?: string; readonly alarm?: string },
): Promise<readonly FulfillmentRow[]> {
  const { limit, before = null, state = null, alarm = null } = page
  return read(database, listByState, { merchant, state, alarm, before, limit })
}

/** Everything one order became here, oldest first. */
export function fulfillmentsOfOrder(
  database: Database,
  merchant: string,
  order: string,
): Promise<readonly FulfillmentRow[]> {
  return read(database, listByOrder, { merchant, order })
}

/** One fulfillment order, or undefined. */
export async function findFulfillment(
  database: Database,
  merchant: string,
  id: string,
): Promise<FulfillmentRow | undefined> {
  return (await read(database, selectById, { merchant, id }))[0]
}

/** The holds of fulfillment orders, released ones too. */
export function holdsOf(
  database: Database,
  merchant: string,
  ids: readonly string[],
): Promise<readonly HoldRow[]> {
  return read(database, listHolds, { merchant, ids })
}

/** The parcels of fulfillment orders. */
export function shipmentsOf(
  database: Database,
  merchant: string,
  ids: readonly string[],
): Promise<readonly ShipmentRow[]> {
  return read(database, listShipmentsOf, { merchant, ids })
}

/** All parcels, newest first. */
export function listShipments(
  database: Database,
  merchant: string,
  page: Page,
): Promise<readonly ShipmentRow[]> {
  const { limit, before = null } = page
  return read(database, listAllShipments, { merchant, before, limit })
}

/** How many fulfillment orders are in each state that has any. */
export async function fulfillmentCounts(
  database: Database,
  merchant: string,
): Promise<Readonly<Record<string, number>>> {
  const rows = await read(database, countByState, { merchant })
  return Object.fromEntries(rows.map((row) => [row.state, row.count]))
}

import { jsonOf, read, statement } from '#platform/index.ts'
import type { Database, RowOf } from '#platform/index.ts'
import { attemptsOf, dispatchesOf } from './dispatch-queries.ts'
import type { AttemptRow, DispatchRow } from './dispatch-queries.ts'
import { recallLinesOf, recallsOf } from './recall/recall-queries.ts'
import type { RecallLineRow, RecallRow } from './recall/recall-queries.ts'
import { fulfillmentsOfOrder, holdsOf, shipmentsOf } from './fulfillment-queries.ts'
import type { FulfillmentRow, HoldRow, ShipmentRow } from './fulfillment-queries.ts'

const selectDecisions = statement({
  name: 'fulfillment.select_decisions_of_order',
  params: { merchant: 'text', order: 'text' },
  row: {
    number: 'int4',
    id: 'text',
    verdict: 'text',
    reasons: 'text[]',
    revision: 'int4',
    effective_at: 'timestamptz',
    received_at: 'timestamptz',
    handover_id: 'text',
  },
  text: `
    select number, id, verdict, reasons, revision, effective_at, received_at, handover_id
      from fulfillment.decision
     where merchant_id = $merchant and order_id = $order
     order by number`,
})

const selectClaims = statement({
  name: 'fulfillment.select_claims_of_order',
  params: { merchant: 'text', order: 'text' },
  row: { dispatch_id: 'text' },
  text: `
    select coalesce(c.dispatch_id, '') as dispatch_id
      from (select f.dispatch_id from fulfillment.fulfillment_order f
             where f.merchant_id = $merchant and f.order_id = $order and f.dispatch_id is not null
             union
            select l.dispatch_id from fulfillment.fulfillment_order f
              join fulfillment.line_claim l
                on l.merchant_id = f.merchant_id and l.fulfillment_id = f.id
               and l.state in ('recalled', 'rejected', 'superseded')
             where f.merchant_id = $merchant and f.order_id = $order) c
     order by 1`,
})

const selectEvents = statement({
  name: 'fulfillment.select_story_events',
  params: { merchant: 'text', subjects: 'text[]' },
  row: {
    subject_id: 'text',
    kind: 'text',
    data: jsonOf<Record<string, unknown>>('shown as it stands: nothing is decided by it'),
    at: 'timestamptz',
  },
  text: `
    select subject_id, kind, data, at from platform.event
     where merchant_id = $merchant and subject_id = any($subjects)
     order by at, id
     limit 1000`,
})

/** Everything that fulfillment knows of one order, each part in order of time. */
export type FulfillmentStory = {
  readonly decisions: readonly RowOf<typeof selectDecisions.row>[]
  readonly fulfillments: readonly FulfillmentRow[]
  readonly holds: readonly HoldRow[]
  readonly dispatches: readonly DispatchRow[]
  readonly attempts: readonly AttemptRow[]
  readonly recalls: readonly RecallRow[]
  /** The lines of this order that were asked back, and what came of each. */
  readonly recallLines: readonly RecallLineRow[]
  readonly shipments: readonly ShipmentRow[]
  /** At most the first 1,000 events of its fulfillment orders and dispatches. */
  readonly events: readonly RowOf<typeof selectEvents.row>[]
}

/** The story of an order on this side of the hand-over; empty where it has not arrived. */
export async function orderFulfillmentStory(
  database: Database,
  merchant: string,
  order: string,
): Promise<FulfillmentStory> {
  const fulfillments = await fulfillmentsOfOrder(database, merchant, order)
  const ids = fulfillments.map((one) => one.id)
  // Every dispatch that ever claimed a line of it: what came back goes in another one.
  const claimed = await read(database, selectClaims, { merchant, order })
  const sent = claimed.map((row) => row.dispatch_id)
  const [decisions, holds, dispatches, attempts, recalls, lines] = await Promise.all([
    read(database, selectDecisions, { merchant, order }),
    holdsOf(database, merchant, ids),
    dispatchesOf(database, merchant, sent),
    attemptsOf(database, merchant, sent),
    recallsOf(database, merchant, sent),
    recallLinesOf(database, merchant, sent),
  ])
  const [shipments, events] = await Promise.all([
    shipmentsOf(database, merchant, ids),
    read(database, selectEvents, { merchant, subjects: [...ids, ...sent] }),
  ])
  const recallLines = lines.filter((one) => one.order_id === order)
  const sides = { recalls, recallLines, shipments, events }
  return { decisions, fulfillments, holds, dispatches, attempts, ...sides }
}

import { jsonOf, read, statement } from '#platform/index.ts'
import type { Database, RowOf } from '#platform/index.ts'
import { attemptsOf, dispatchesOf } from './dispatch-queries.ts'
import type { AttemptRow, DispatchRow } from './dispatch-queries.ts'
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

const selectEvents = statement({
  name: 'fulfillment.select_story_events',
  params: { merchant: 'text', subjects: 'text[]' },
  row: {
    subject_id: 'text',
    kind: 'text',
    data: jsonOf<Record<string, unknown>>(),
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
  const sent = fulfillments.flatMap((one) => one.dispatch_id ?? [])
  const [decisions, holds, dispatches, attempts, shipments, events] = await Promise.all([
    read(database, selectDecisions, { merchant, order }),
    holdsOf(database, merchant, ids),
    dispatchesOf(database, merchant, sent),
    attemptsOf(database, merchant, sent),
    shipmentsOf(database, merchant, ids),
    read(database, selectEvents, { merchant, subjects: [...ids, ...sent] }),
  ])
  return { decisions, fulfillments, holds, dispatches, attempts, shipments, events }
}

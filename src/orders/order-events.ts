import { jsonOf, read, statement } from '#platform/index.ts'
import type { Database, RowOf } from '#platform/index.ts'

const EVENTS_MAX = 1_000

const selectEvents = statement({
  name: 'orders.select_events',
  params: { merchant: 'text', order: 'text', limit: 'int4' },
  row: {
    kind: 'text',
    data: jsonOf<Record<string, unknown>>('shown as it stands: nothing is decided by it'),
    at: 'timestamptz',
  },
  text: `
    select kind, data, at from platform.event
     where merchant_id = $merchant and subject_id = $order
     order by at, id
     limit $limit`,
})

/** Something that happened to an order. */
export type OrderEvent = RowOf<typeof selectEvents.row>

/** The events of an order on this side of the hand-over, oldest first, at most 1,000. */
export async function listOrderEvents(
  database: Database,
  merchant: string,
  order: string,
): Promise<readonly OrderEvent[]> {
  return read(database, selectEvents, { merchant, order, limit: EVENTS_MAX })
}

import { orderFulfillmentStory } from '#fulfillment/index.ts'
import type { Database } from '#platform/index.ts'

// From the least to the most advanced; a buyer is told the least advanced of an order's parcels.
const STAGES = [
  ['held', 'in review'],
  ['rejected', 'in review'],
  ['recalled', 'in review'],
  ['open', 'preparing'],
  ['sealed', 'preparing'],
  ['accepted', 'preparing'],
  ['shipped', 'shipped'],
  ['delivered', 'delivered'],
] as const

/** How far an order has come, in a buyer's words: `placed`, `in review`, `preparing`, `shipped`, ... */
export async function orderStage(
  database: Database,
  merchant: string,
  orderId: string,
): Promise<string> {
  const { fulfillments, shipments } = await orderFulfillmentStory(database, merchant, orderId)
  // A later generation that was ended leaves what shipped before it, and that may have arrived since.
  const before = (id: string): string => {
    const parcels = shipments.filter((one) => one.fulfillment_id === id)
    const newest = Math.max(...parcels.map((one) => one.generation))
    const last = parcels.filter((one) => one.generation === newest)
    return last.length > 0 && last.every((one) => one.delivered_at !== null)
      ? 'delivered'
      : 'shipped'
  }
  const states = new Set(
    fulfillments.map((one) =>
      one.state === 'withdrawn' && one.generation > 1 ? before(one.id) : one.state,
    ),
  )
  return STAGES.find(([state]) => states.has(state))?.[1] ?? 'placed'
}

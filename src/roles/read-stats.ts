import { fulfillmentCounts, oldestItems } from '#fulfillment/index.ts'
import { negativeStockSkus } from '#inventory/index.ts'
import { orderCounts } from '#orders/index.ts'
import type { Context } from '#platform/index.ts'
import type { Counted, Stats } from '#web/index.ts'

const STAGES = [
  ['held', 'Held for review'],
  ['open', 'Cleared, waiting for a batch'],
  ['sealed', 'Sealed, on the way to a partner'],
  ['accepted', 'Accepted by a partner'],
  ['shipped', 'Shipped'],
  ['delivered', 'Delivered'],
  ['withdrawn', 'Withdrawn before the seal'],
  ['recalled', 'Given back by a partner'],
] as const

const WORK_LISTS = [
  ['unknown', 'Outcome unknown, being resolved'],
  ['needs_operator', 'Needs an operator'],
  ['quarantined', 'Quarantined'],
  ['rejected', 'Rejected by a partner'],
  ['recalling', 'Asked back, not yet answered'],
  ['recall_needs_operator', 'Recalls that need an operator'],
  ['ship_by_at_risk', 'Promise nearer than 4 h, not accepted'],
  ['ship_by_missed', 'Promise passed, accepted and not shipped'],
  ['inbox', 'Partner events not applied'],
] as const

/** Counts by stage and the lists that wait for somebody, for the console and `holdfast status`. */
export async function readStats({
  database,
  merchant,
}: Pick<Context, 'database' | 'merchant'>): Promise<Stats> {
  const [orders, fulfillment, waiting, negative] = await Promise.all([
    orderCounts(database, merchant),
    fulfillmentCounts(database, merchant),
    oldestItems(database, merchant),
    negativeStockSkus(database, merchant),
  ])
  const ageOf = new Map(waiting.map((item) => [item.stage, item]))
  const entry = (id: string, label: string, count: number): Counted => ({
    id,
    label,
    count,
    oldest_seconds: ageOf.get(id)?.ageS ?? null,
  })
  return {
    stages: [
      entry('placed', 'Orders placed', orders.placed),
      {
        ...entry('awaiting_handover', 'Waiting for the hand-over', orders.outbox),
        oldest_seconds: orders.outbox_oldest_s,
      },
      ...STAGES.map(([id, label]) => entry(id, label, fulfillment[id] ?? 0)),
      entry('cancelled', 'Cancelled', orders.cancelled),
      entry('rejected_in_review', 'Rejected in review', orders.rejected),
    ],
    work_lists: [
      ...WORK_LISTS.map(([id, label]) => entry(id, label, ageOf.get(id)?.count ?? 0)),
      entry('withdrawals', 'Withdrawals not yet answered', orders.open_withdrawals),
      entry('negative_skus', 'SKUs below zero, quarantined', negative),
    ],
    held: fulfillment['held'] ?? 0,
  }
}

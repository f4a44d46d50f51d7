import { CASE_KINDS, openCaseTotals } from '#cases/index.ts'
import { fulfillmentCounts, oldestItems, overdueDispatches } from '#fulfillment/index.ts'
import { negativeStockSkus } from '#inventory/index.ts'
import { holdRate, orderCounts } from '#orders/index.ts'
import { feedHealth } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { subscriptionGauges } from '#subscriptions/index.ts'
import { count, handoverRefusal, registerCollector, STAGES } from '#telemetry/index.ts'
import type { Stage } from '#telemetry/index.ts'

/** Supplies the gauges that are read from the database at each scrape. */
export function collectGauges({ database, merchant }: Context): void {
  registerCollector('order_hold_for_review_rate', () => holdRate(database, merchant))
  registerCollector('inventory_negative_stock_skus', () => negativeStockSkus(database, merchant))
  registerCollector(
    'holdfast_dispatch_unknown_current',
    async () => (await waiting('unknown'))?.count ?? 0,
  )
  registerCollector('holdfast_inbox_depth', async () => (await waiting('inbox'))?.count ?? 0)
  registerCollector('holdfast_orders', async () => {
    const counts = await stageCounts({ database, merchant })
    return STAGES.map((stage) => ({ labels: { stage }, value: counts[stage] ?? 0 }))
  })
  registerCollector('holdfast_oldest_item_age_seconds', async () => {
    const items = await oldestItems(database, merchant)
    return items.flatMap((item) => {
      const stage = STAGES.find((one) => one === item.stage)
      return stage ? [{ labels: { stage }, value: item.ageS }] : []
    })
  })
  registerCollector('holdfast_ship_by_alarms', async () => {
    const items = await oldestItems(database, merchant)
    return (['at_risk', 'missed'] as const).map((alarm) => ({
      labels: { alarm },
      value: items.find((item) => item.stage === `ship_by_${alarm}`)?.count ?? 0,
    }))
  })
  registerCollector('holdfast_dispatch_overdue_current', async () => {
    const overdue = await overdueDispatches(database, merchant)
    return (['needs_operator', 'quarantined'] as const).map((state) => ({
      labels: { state },
      value: overdue[state] ?? 0,
    }))
  })
  registerCollector('holdfast_cases_open', async () => {
    const totals = await openCaseTotals(database, merchant)
    return CASE_KINDS.map((kind) => ({
      labels: { kind },
      value: totals.filter((one) => one.kind === kind).reduce((sum, one) => sum + one.open, 0),
    }))
  })
  registerCollector('holdfast_oldest_case_age_seconds', async () => {
    const totals = await openCaseTotals(database, merchant)
    return CASE_KINDS.flatMap((kind) => {
      const ages = totals.flatMap((one) => (one.kind === kind ? [one.oldest_s] : []))
      return ages.length > 0 ? [{ labels: { kind }, value: Math.max(...ages) }] : []
    })
  })
  registerCollector(
    'holdfast_event_feed_lag_seconds',
    async () => (await feedHealth(database, merchant)).lagS,
  )
  registerCollector(
    'holdfast_webhook_subscriptions_paused',
    async () => (await subscriptionGauges(database, merchant)).paused,
  )
  registerCollector(
    'holdfast_webhook_oldest_pending_seconds',
    async () => (await subscriptionGauges(database, merchant)).oldestPendingS,
  )
  const waiting = async (stage: string) =>
    (await oldestItems(database, merchant)).find((item) => item.stage === stage)
}

/** Orders in every stage now: what waits for the hand-over, then fulfillment orders and dispatches. */
export async function stageCounts({
  database,
  merchant,
}: Pick<Context, 'database' | 'merchant'>): Promise<Partial<Record<Stage, number>>> {
  const [orders, fulfillment, waiting] = await Promise.all([
    orderCounts(database, merchant),
    fulfillmentCounts(database, merchant),
    oldestItems(database, merchant),
  ])
  const dispatches = Object.fromEntries(waiting.map((item) => [item.stage, item.count]))
  return {
    ...fulfillment,
    awaiting_handover: orders.outbox,
    unknown: dispatches['unknown'] ?? 0,
    recalling: dispatches['recalling'] ?? 0,
    recall_needs_operator: dispatches['recall_needs_operator'] ?? 0,
    needs_operator: dispatches['needs_operator'] ?? 0,
    quarantined: dispatches['quarantined'] ?? 0,
  }
}

/** Counts a refused hand-over under its code. */
export function countRefusedHandOver(code: string): void {
  count('holdfast_handover_refused_total', { code: handoverRefusal(code) })
}

import { collectDefaultMetrics } from 'prom-client'
import { droppedLogLines, transactionRetries } from '#platform/index.ts'
import { createMetrics } from './metrics.ts'

export { eventRefusal, handoverRefusal, METRICS, STAGES } from './metrics-table.ts'
export type { CounterName, MetricName, MetricRow, Stage } from './metrics-table.ts'
export type { HoldReasonLabel } from './hold-reasons.ts'
export type { Collector, Metrics, Sample } from './metrics.ts'
export { metricsRoutes } from './metrics.http.ts'
export { httpObserver } from './http-observer.ts'

/** The metrics of this process. */
export const metrics = createMetrics()
collectDefaultMetrics({ register: metrics.registry })
metrics.registerCollector('holdfast_log_dropped_total', () => Promise.resolve(droppedLogLines()))
metrics.registerCollector('holdfast_transaction_retries_total', () =>
  Promise.resolve(transactionRetries()),
)

/** Adds to a counter of this process: `count('order_auto_approved_total')`. */
export const count = metrics.count
/** Supplies a gauge of this process at each scrape. */
export const registerCollector = metrics.registerCollector

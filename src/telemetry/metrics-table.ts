import { HOLD_REASON_LABELS } from './hold-reasons.ts'

/** Where an order can be, as gauges and the console count it. */
export const STAGES = [
  'awaiting_handover',
  'held',
  'open',
  'sealed',
  'unknown',
  'needs_operator',
  'quarantined',
  'recalling',
  'recall_needs_operator',
  'accepted',
  'rejected',
  'shipped',
  'delivered',
] as const
/** One of `STAGES`. */
export type Stage = (typeof STAGES)[number]

/** Why a hand-over was refused: codes of the refusal catalogue, and `other` for the rest of them. */
export const HANDOVER_REFUSALS = [
  'envelope_truncated',
  'envelope_sequence',
  'envelope_length',
  'envelope_digest',
  'envelope_version',
  'envelope_kind',
  'payload_malformed',
  'manifest_mismatch',
  'verdict_count_mismatch',
  'end_mismatch',
  'order_digest_mismatch',
  'approval_unproven',
  'handover_conflict',
  'handover_too_large',
  'receipt_mismatch',
  'database_unavailable',
  'internal',
  'other',
] as const

/** The label value of a refusal code: itself where the table has it, else `other`. */
export function handoverRefusal(code: string): (typeof HANDOVER_REFUSALS)[number] {
  return HANDOVER_REFUSALS.find((known) => known === code) ?? 'other'
}

/** Why an event of a partner was refused, by the code that the partner was answered with. */
const EVENT_REFUSALS = {
  signature_invalid: 'signature',
  event_conflict: 'conflict',
  body_malformed: 'malformed',
  body_too_large: 'too_large',
  media_type_unsupported: 'media_type',
  query_invalid: 'partner_id',
  database_unavailable: 'unavailable',
} as const

/** The label values of `holdfast_partner_event_refused_total`. */
export const EVENT_REFUSAL_REASONS = [...Object.values(EVENT_REFUSALS), 'other'] as const

/** The label value of a refusal code: its own where the table has one, else `other`. */
export function eventRefusal(code: string): (typeof EVENT_REFUSAL_REASONS)[number] {
  return Object.entries(EVENT_REFUSALS).find(([known]) => known === code)?.[1] ?? 'other'
}

/** What a case can be about, as gauges count them; `src/cases/case.ts` is held to it by the compiler. */
export const CASE_KIND_LABELS = [
  'double_ship',
  'too_late',
  'shipped_after_recall',
  'discrepancy',
  'short_shipment',
  'overdue_shipment',
  'overdue_dispatch',
  'overdue_recall',
  'overdue_handover',
  'rules_unread',
  'unmatched_shipment',
  'parcel_without_lines',
  'partial_rejection',
  'stock_difference',
  'invoice_difference',
  'return',
  'lost_parcel',
  'partner_regressed',
  'database_restored',
  'ship_by_at_risk',
  'ship_by_missed',
] as const

/** What one metric is. `routes` stands for the declared paths of this process's routes. */
export type MetricRow = {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly unit: string
  readonly help: string
  readonly labels?: Readonly<Record<string, readonly string[] | 'routes'>>
}

/**
 * Every metric this build exports, beside the `process_` and `nodejs_` ones of prom-client. Label
 * values are bounded by this table and exist from the start. `docs/reference/metrics.md` is held to it.
 */
export const METRICS = {
  order_hold_for_review_rate: {
    type: 'gauge',
    unit: 'ratio',
    help: 'held / decided over the last 200 decided orders; absent under 50',
  },
  inventory_negative_stock_skus: {
    type: 'gauge',
    unit: 'SKUs',
    help: 'SKUs whose physical book is below zero now',
  },
  storefront_circuit_breaker_state: {
    type: 'gauge',
    unit: 'state',
    help: '0 closed, 0.5 half-open, 1 open',
    labels: { scope: ['shop', 'sku'] },
  },
  webhook_duplicate_dispatches_total: {
    type: 'counter',
    unit: 'acceptances',
    help: 'second or later partner acceptance of one fulfillment order and generation, by content and evidence, each once',
  },
  webhook_idempotency_key_collisions: {
    type: 'counter',
    unit: 'sends',
    help: 'sends that a partner recognised by key: a replay, or a 409 confirmed by lookup',
  },
  order_auto_approved_total: {
    type: 'counter',
    unit: 'orders',
    help: 'CLEAR verdicts by rule, not by a person',
  },
  holdfast_rule_holds_total: {
    type: 'counter',
    unit: 'orders',
    help: 'HOLD verdicts by rule, by reason; an order with several reasons counts under each',
    labels: { reason: HOLD_REASON_LABELS },
  },
  holdfast_intake_batches_total: {
    type: 'counter',
    unit: 'batches',
    help: 'batches of orders by how they were decided: remembered, asked, or failed because a key was used or a remembered price, rule, time or stock was not so (each then counts as asked, too)',
    labels: { way: ['remembered', 'asked', 'failed'] },
  },
  holdfast_transaction_retries_total: {
    type: 'counter',
    unit: 'transactions',
    help: 'transactions run again after a deadlock or a serialization failure',
  },
  holdfast_handover_refused_total: {
    type: 'counter',
    unit: 'batches',
    help: 'hand-over batches that the receiving side refused',
    labels: { code: HANDOVER_REFUSALS },
  },
  holdfast_dispatch_unknown_current: {
    type: 'gauge',
    unit: 'dispatches',
    help: 'dispatches whose outcome at the partner is unknown now',
  },
  holdfast_dispatch_replayed_total: {
    type: 'counter',
    unit: 'dispatches',
    help: 'dispatches that were sent again under their own key',
  },
  holdfast_partner_event_refused_total: {
    type: 'counter',
    unit: 'requests',
    help: 'signed events of partners that were refused, and so not kept, by reason',
    labels: { reason: EVENT_REFUSAL_REASONS },
  },
  holdfast_inbox_depth: {
    type: 'gauge',
    unit: 'events',
    help: 'inbound partner events that are stored and not yet applied',
  },
  holdfast_orders: {
    type: 'gauge',
    unit: 'orders',
    help: 'orders by stage now',
    labels: { stage: STAGES },
  },
  holdfast_oldest_item_age_seconds: {
    type: 'gauge',
    unit: 'seconds',
    help: 'age of the oldest order in a stage; absent where the stage is empty',
    labels: { stage: STAGES },
  },
  holdfast_ship_by_alarms: {
    type: 'gauge',
    unit: 'fulfillment orders',
    help: 'promises in danger now: nearer than 4 h and not accepted (at_risk), or accepted, passed and not shipped (missed)',
    labels: { alarm: ['at_risk', 'missed'] },
  },
  holdfast_dispatch_overdue_current: {
    type: 'gauge',
    unit: 'dispatches',
    help: 'dispatches that have waited for a person for more than 15 minutes',
    labels: { state: ['needs_operator', 'quarantined'] },
  },
  holdfast_cases_open: {
    type: 'gauge',
    unit: 'cases',
    help: 'cases that nobody has resolved, by kind',
    labels: { kind: CASE_KIND_LABELS },
  },
  holdfast_oldest_case_age_seconds: {
    type: 'gauge',
    unit: 'seconds',
    help: 'age of the oldest open case of a kind; absent where none is open',
    labels: { kind: CASE_KIND_LABELS },
  },
  holdfast_http_requests_total: {
    type: 'counter',
    unit: 'requests',
    help: 'HTTP requests by declared route and class of status',
    labels: { route: 'routes', status: ['2xx', '3xx', '4xx', '5xx'] },
  },
  holdfast_http_request_duration_seconds: {
    type: 'histogram',
    unit: 'seconds',
    help: 'from the last byte of a request to its reply',
  },
  holdfast_event_feed_lag_seconds: {
    type: 'gauge',
    unit: 'seconds',
    help: 'age of the oldest committed event that the feed may not show yet, since an older transaction still runs',
  },
  holdfast_webhook_deliveries_total: {
    type: 'counter',
    unit: 'attempts',
    help: 'attempts to deliver an event to a webhook subscription, by outcome',
    labels: { outcome: ['delivered', 'refused', 'unreachable', 'gone'] },
  },
  holdfast_webhook_subscriptions_paused: {
    type: 'gauge',
    unit: 'subscriptions',
    help: 'webhook subscriptions that stand still now',
  },
  holdfast_webhook_oldest_pending_seconds: {
    type: 'gauge',
    unit: 'seconds',
    help: 'age of the oldest delivery that waits on a subscription that is not paused; absent where none does',
  },
  holdfast_log_dropped_total: {
    type: 'counter',
    unit: 'lines',
    help: 'log lines that this process could not write: a full disk, a reader that left or stands still',
  },
  holdfast_collector_failures_total: {
    type: 'counter',
    unit: 'failures',
    help: 'gauges that could not be collected at a scrape, and were absent from it',
  },
} as const satisfies Record<string, MetricRow>

/** The name of a metric of the table. */
export type MetricName = keyof typeof METRICS
type NamesOf<T extends MetricRow['type']> = {
  [N in MetricName]: (typeof METRICS)[N]['type'] extends T ? N : never
}[MetricName]
/** The name of a counter. */
export type CounterName = NamesOf<'counter'>
/** The name of a metric that a collector may supply. */
export type CollectedName = NamesOf<'counter' | 'gauge'>

type LabelTable<N extends MetricName> = (typeof METRICS)[N] extends { readonly labels: infer L }
  ? L
  : { readonly [L in never]: string }
/** The labels of a metric, each from its bounded values. */
export type LabelsOf<N extends MetricName> = {
  readonly [L in keyof LabelTable<N>]: LabelTable<N>[L] extends readonly (infer V)[] ? V : string
}

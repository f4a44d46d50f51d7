import type { CaseRow } from '#cases/index.ts'
import type { FulfillmentStory } from '#fulfillment/index.ts'
import type { DecisionRow, OrderDetail, OrderEvent } from '#orders/index.ts'
import type { OrderReturn } from '#reconciliation/index.ts'
import { caseTable } from './case-commands.ts'
import { money, table, time } from './format-text.ts'
import { returnTable } from './return-commands.ts'

/** One order on both sides of the hand-over. */
export type OrderStory = {
  readonly order: OrderDetail
  readonly decisions: readonly DecisionRow[]
  readonly events: readonly OrderEvent[]
  readonly fulfillment: FulfillmentStory
  readonly returns: readonly OrderReturn[]
  readonly cases: readonly CaseRow[]
}

type Moment = { readonly at: Date; readonly what: string; readonly facts: string }

/** The story for a person: what was ordered, then everything that happened, in order of time. */
export function storyText(story: OrderStory): string {
  const { order } = story
  const reasons = order.reasons.length > 0 ? ` (${order.reasons.join(', ')})` : ''
  const head = [
    `Order ${order.order_number}  ${order.id}${order.reference ? `  reference ${order.reference}` : ''}`,
    `${order.state}, ${order.verdict}${reasons}, ${money(order.total_minor, order.currency)}, ${order.lines.length} lines`,
    `customer ${order.customer ?? 'guest'}, country ${order.country ?? 'not given'}, placed ${time(order.placed_at)}`,
    promiseText(order),
  ]
  const lines = table(
    ['LINE', 'SKU', 'QTY', 'PRICE'],
    order.lines.map((one) => [
      one.line,
      one.sku,
      one.qty,
      money(one.unit_price_minor, order.currency),
    ]),
  )
  const moments = momentsOf(story).toSorted((a, b) => a.at.getTime() - b.at.getTime())
  const told = table(
    ['AT', 'WHAT', 'FACTS'],
    moments.map((one) => [time(one.at), one.what, one.facts]),
  )
  const cases = story.cases.length > 0 ? [caseTable(story.cases)] : []
  const returns = story.returns.length > 0 ? [returnTable(story.returns)] : []
  return [head.join('\n'), lines, ...returns, ...cases, told].join('\n\n')
}

function promiseText({ ship_by: shipBy, promise_version: version }: OrderDetail): string {
  if (shipBy === null) return 'no promise: it was taken before there were any'
  return `ships by ${time(shipBy)}, ${version === null ? 'as it was asked for' : `by policy ${version}`}`
}

function momentsOf({ decisions, events, fulfillment }: OrderStory): readonly Moment[] {
  return [
    ...decisions.map((one) => ({
      at: one.recorded_at,
      what: `decision ${one.number}: ${one.verdict}`,
      facts: [
        one.actor,
        ...one.reasons,
        one.note ?? '',
        one.is_waiting ? 'not handed over yet' : '',
      ]
        .filter((text) => text !== '')
        .join(', '),
    })),
    ...events.map((one) => ({ at: one.at, what: one.kind, facts: factsOf(one.data) })),
    ...fulfillment.events.map((one) => ({
      at: one.at,
      what: one.kind,
      facts: `${one.subject_id} ${factsOf(one.data)}`,
    })),
    ...fulfillment.attempts.map((one) => ({
      at: one.started_at,
      what: `attempt ${one.attempt}: ${one.class}`,
      facts: `${one.dispatch_id} ${one.status ?? ''} ${one.code ?? ''}`,
    })),
    ...fulfillment.recallLines.map((one) => ({
      at: one.requested_at,
      what: `asked back: ${one.state}`,
      facts: `${one.fulfillment_id} ${one.dispatch_id} ${one.cause} by ${one.actor}: ${one.reason}`,
    })),
    ...fulfillment.shipments.map((one) => ({
      at: one.shipped_at,
      what: 'shipment',
      facts: `${one.id} ${one.carrier ?? ''} ${one.tracking_number ?? ''}`,
    })),
  ]
}

function factsOf(data: Readonly<Record<string, unknown>>): string {
  return Object.entries(data)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ')
}

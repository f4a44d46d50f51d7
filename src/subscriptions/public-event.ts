import type { FeedEvent } from '#platform/index.ts'
import type { EventData, EventName } from './event-catalog.ts'
import { EVENT_TYPES } from './event-catalog.ts'

/** An event as it leaves the house, in the feed and in a webhook alike. */
export type PublicEvent = {
  readonly id: string
  readonly type: EventName
  readonly version: number
  /** RFC 3339, UTC: the transaction that it tells of. */
  readonly timestamp: string
  readonly data: Readonly<Record<string, unknown>>
}

/** What an event of the log tells outside: with its part, since one may tell two things. */
export type ToldEvent = { readonly part: number; readonly event: PublicEvent }

type Facts = {
  readonly subject: string
  readonly text: (name: string) => string | null
  readonly code: (name: string) => string | null
  readonly whole: (name: string) => number | null
  readonly codes: (name: string) => string[]
  readonly texts: (name: string) => readonly string[]
}
type Telling = {
  [N in EventName]: {
    readonly type: N
    readonly data: (facts: Facts) => EventData<N> | undefined
  }
}[EventName]

const orderOf = (facts: Facts) => ({ order_id: facts.subject })
const dispatchOf = (facts: Facts) => ({
  dispatch_id: facts.subject,
  partner_id: facts.text('partner_id'),
  code: facts.code('code'),
})
const fulfillmentOf = (facts: Facts) => ({
  fulfillment_id: facts.subject,
  order_id: facts.text('order_id'),
})
const closedOf = (facts: Facts) => ({
  ...orderOf(facts),
  units_released: facts.whole('units_released'),
})
const refusedOf = (facts: Facts) => ({ ...orderOf(facts), code: facts.code('code') })
const subscriptionOf = (facts: Facts) => ({ subscription_id: facts.subject })

// The rules decide when an order is taken or readdressed; that event carries their verdict.
const heldByRules: Telling = {
  type: 'order.held',
  data: (facts) =>
    facts.text('verdict') === 'hold'
      ? {
          ...orderOf(facts),
          reasons: facts.codes('reasons'),
          decided_by: 'rules',
          decision_id: facts.text('decision_id'),
        }
      : undefined,
}
const clearedByRules: Telling = {
  type: 'order.cleared',
  data: (facts) =>
    facts.text('verdict') === 'clear'
      ? { ...orderOf(facts), decided_by: 'rules', decision_id: facts.text('decision_id') }
      : undefined,
}
const stockBy = (cause: 'received' | 'adjusted' | 'counted'): readonly Telling[] => [
  {
    type: 'stock.changed',
    data: (facts) => ({
      document_id: facts.subject,
      cause,
      lines: facts.whole('lines'),
      skus: [...facts.texts('skus'), ...[facts.text('sku') ?? []].flat()].slice(0, 50),
    }),
  },
]

/**
 * What each kind of the log tells outside. The place in the list is part of the id of what is told, so
 * a list only grows at its end. A kind that is not here stays inside.
 */
const TELLINGS: Readonly<Record<string, readonly Telling[]>> = Object.assign(Object.create(null), {
  'order.placed': [
    {
      type: 'order.placed',
      data: (facts) => ({
        ...orderOf(facts),
        reference: facts.text('reference'),
        lines: facts.whole('lines'),
        // Left out where it is not there: what was told before is told again to the byte.
        ...(facts.text('ship_by') === null ? {} : { ship_by: facts.text('ship_by') ?? '' }),
      }),
    },
    heldByRules,
    clearedByRules,
  ],
  // Held before because rules or flags could not be read.
  'order.decided_again': [heldByRules, clearedByRules],
  'order.held': [
    {
      type: 'order.held',
      data: (facts) => ({
        ...orderOf(facts),
        reasons: ['reviewer'],
        decided_by: 'person',
        decision_id: facts.text('decision_id'),
      }),
    },
  ],
  'order.cleared': [
    {
      type: 'order.cleared',
      data: (facts) => ({
        ...orderOf(facts),
        decided_by: 'person',
        decision_id: facts.text('decision_id'),
      }),
    },
  ],
  'order.readdressed': [
    {
      type: 'order.readdressed',
      data: (facts) => ({ ...orderOf(facts), revision: facts.whole('revision') }),
    },
    heldByRules,
    clearedByRules,
  ],
  'order.cancellation_requested': [{ type: 'order.cancellation_requested', data: orderOf }],
  'order.cancellation_refused': [{ type: 'order.cancellation_refused', data: refusedOf }],
  'order.address_change_requested': [{ type: 'order.address_change_requested', data: orderOf }],
  'order.address_change_refused': [{ type: 'order.address_change_refused', data: refusedOf }],
  'order.partly_cancelled': [{ type: 'order.partly_cancelled', data: closedOf }],
  'order.cancelled': [{ type: 'order.cancelled', data: closedOf }],
  'order.rejected': [{ type: 'order.rejected', data: closedOf }],
  'fulfillment.held': [
    {
      type: 'fulfillment.held',
      data: (facts) => ({ ...fulfillmentOf(facts), reasons: facts.codes('reasons') }),
    },
  ],
  'fulfillment.accepted': [{ type: 'fulfillment.accepted', data: fulfillmentOf }],
  'fulfillment.rejected': [
    {
      type: 'fulfillment.rejected',
      data: (facts) => ({ ...fulfillmentOf(facts), code: facts.code('code') }),
    },
  ],
  'fulfillment.recalled': [
    {
      type: 'fulfillment.recalled',
      data: (facts) => ({ ...fulfillmentOf(facts), code: facts.code('code') }),
    },
  ],
  'fulfillment.recall_too_late': [
    {
      type: 'fulfillment.recall_too_late',
      data: (facts) => ({
        ...fulfillmentOf(facts),
        tracking_number: facts.text('tracking_number'),
      }),
    },
  ],
  'dispatch.recalling': [{ type: 'dispatch.recalling', data: dispatchOf }],
  'dispatch.recalled': [{ type: 'dispatch.recalled', data: dispatchOf }],
  'dispatch.recall_partial': [{ type: 'dispatch.recall_partial', data: dispatchOf }],
  'dispatch.accepted': [{ type: 'dispatch.accepted', data: dispatchOf }],
  // A partner that knew the key has accepted before: the acceptance that we had not heard of.
  'dispatch.replayed': [{ type: 'dispatch.accepted', data: dispatchOf }],
  'dispatch.unknown': [{ type: 'dispatch.unknown', data: dispatchOf }],
  'dispatch.rejected': [{ type: 'dispatch.rejected', data: dispatchOf }],
  'shipment.recorded': [
    {
      type: 'shipment.created',
      data: (facts) => ({
        shipment_id: facts.text('shipment_id') ?? facts.subject,
        ...fulfillmentOf(facts),
        carrier: facts.text('carrier')?.slice(0, 100) ?? null,
        tracking_number: facts.text('tracking_number'),
      }),
    },
  ],
  'shipment.delivered': [
    {
      type: 'shipment.delivered',
      data: (facts) => ({
        shipment_id: facts.text('shipment_id') ?? facts.subject,
        ...fulfillmentOf(facts),
        delivered_at: facts.text('delivered_at'),
      }),
    },
  ],
  'inventory.received': stockBy('received'),
  'inventory.adjusted': stockBy('adjusted'),
  'inventory.counted': stockBy('counted'),
  'inventory.negative_stock': [
    {
      type: 'stock.negative',
      data: (facts) => ({
        sku: facts.subject,
        location_id: facts.text('location'),
        on_hand: facts.whole('on_hand'),
      }),
    },
  ],
  'case.opened': [
    {
      type: 'case.opened',
      data: (facts) => ({
        case_id: facts.subject,
        kind: facts.code('kind'),
        subject_id: facts.text('about'),
      }),
    },
  ],
  'case.resolved': [{ type: 'case.resolved', data: (facts) => ({ case_id: facts.subject }) }],
  'return.recorded': [
    {
      type: 'return.recorded',
      data: (facts) => ({
        return_id: facts.subject,
        order_ids: [...facts.texts('orders')].slice(0, 20),
      }),
    },
  ],
  'subscription.paused': [
    {
      type: 'subscription.paused',
      data: (facts) => ({ ...subscriptionOf(facts), reason: facts.code('reason') }),
    },
  ],
  'subscription.resumed': [{ type: 'subscription.resumed', data: subscriptionOf }],
  'subscription.delivery_failed': [
    {
      type: 'subscription.delivery_failed',
      data: (facts) => ({
        ...subscriptionOf(facts),
        delivery_id: facts.text('delivery_id'),
        event_type: facts.code('event_type'),
      }),
    },
  ],
} satisfies Record<string, readonly Telling[]>)

/** The kinds of the log that tell any of these public events. */
export function kindsOf(names: ReadonlySet<EventName>): readonly string[] {
  return Object.entries(TELLINGS)
    .filter(([, tellings]) => tellings.some((one) => names.has(one.type)))
    .map(([kind]) => kind)
}

/** After every part of an event of the log. */
export const WHOLE = 9

/**
 * What an event of the log tells outside, of the names wanted. It never throws, whatever an older build
 * wrote: what is missing is null. Told again it is the same, to the byte.
 */
export function tell(event: FeedEvent, names: ReadonlySet<EventName>): readonly ToldEvent[] {
  const facts = factsOf(event)
  return (TELLINGS[event.kind] ?? []).flatMap((telling, part) => {
    if (!names.has(telling.type)) return []
    const data = telling.data(facts)
    if (data === undefined) return []
    const id = part === 0 ? event.id : `${event.id}_${part}`
    const { version } = EVENT_TYPES[telling.type]
    const told = { id, type: telling.type, version, timestamp: event.at.toISOString(), data }
    return [{ part, event: told }]
  })
}

const CODE = /^[\w.:-]{1,64}$/
const REASONS_MAX = 32

function factsOf({ subjectId, data }: FeedEvent): Facts {
  const textOf = (value: unknown): string | null =>
    typeof value === 'string' && value !== '' ? value.slice(0, 200) : null
  const text = (name: string): string | null => textOf(data[name])
  const list = (name: string): readonly unknown[] => {
    const given: unknown = data[name]
    return Array.isArray(given) ? given : []
  }
  const codeOf = (value: unknown): string | null =>
    typeof value === 'string' && CODE.test(value) ? value : null
  return {
    subject: subjectId.slice(0, 200),
    text,
    // A code is a word of ours: anything else that stands there could be what a person wrote.
    code: (name) => codeOf(data[name]),
    whole: (name) => (Number.isSafeInteger(data[name]) ? Number(data[name]) : null),
    codes: (name) =>
      list(name)
        .flatMap((one) => codeOf(one) ?? [])
        .slice(0, REASONS_MAX),
    texts: (name) => list(name).flatMap((one) => textOf(one) ?? []),
  }
}

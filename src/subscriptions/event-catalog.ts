import { z } from 'zod'

const id = z.string().min(1).max(200)
const code = z.string().max(64)
const reasons = z.array(code).max(32)
const optional = <T extends z.ZodType>(schema: T) => schema.nullable()

/** One public event: its version rises when a field changes its meaning or goes; fields may be added. */
type EventType = {
  readonly version: number
  readonly means: string
  readonly data: z.ZodObject
}

/**
 * Every event that leaves the house, by its public name. Payloads hold ids, codes, counts and times:
 * never a name, an address, a customer or a free text that a person wrote. `docs/reference/events.md`
 * and the `webhooks` of the OpenAPI document are made from this list.
 */
export const EVENT_TYPES = {
  'order.placed': {
    version: 1,
    means: 'an order was taken and its stock reserved',
    data: z.strictObject({
      order_id: id,
      /** The merchant's own reference. */
      reference: optional(id),
      lines: optional(z.int()),
      /** The promise that it leaves by, UTC. */
      ship_by: id.exactOptional(),
    }),
  },
  'order.held': {
    version: 1,
    means: 'review holds the order: nothing of it ships',
    data: z.strictObject({
      order_id: id,
      reasons,
      decided_by: z.enum(['rules', 'person']),
      decision_id: optional(id),
    }),
  },
  'order.cleared': {
    version: 1,
    means: 'review cleared the order; a clear by a person can be undone for ten seconds',
    data: z.strictObject({
      order_id: id,
      decided_by: z.enum(['rules', 'person']),
      decision_id: optional(id),
    }),
  },
  'order.readdressed': {
    version: 1,
    means: 'the order goes to another address, as a new revision that is reviewed again',
    data: z.strictObject({ order_id: id, revision: optional(z.int()) }),
  },
  'order.cancellation_requested': {
    version: 1,
    means: 'the order is to be cancelled; its partners are asked to give it back',
    data: z.strictObject({ order_id: id }),
  },
  'order.cancellation_refused': {
    version: 1,
    means: 'the order is not cancelled; the code says why',
    data: z.strictObject({ order_id: id, code: optional(code) }),
  },
  'order.address_change_requested': {
    version: 1,
    means: 'the order is to go elsewhere; its partners are asked to give it back',
    data: z.strictObject({ order_id: id }),
  },
  'order.address_change_refused': {
    version: 1,
    means: 'the order goes where it was going; the code says why',
    data: z.strictObject({ order_id: id, code: optional(code) }),
  },
  'order.partly_cancelled': {
    version: 1,
    means: 'a part of the order had left; the others were stopped and their stock released',
    data: z.strictObject({ order_id: id, units_released: optional(z.int()) }),
  },
  'order.cancelled': {
    version: 1,
    means: 'the order was cancelled and its stock released',
    data: z.strictObject({ order_id: id, units_released: optional(z.int()) }),
  },
  'order.rejected': {
    version: 1,
    means: 'review rejected the order and its stock was released',
    data: z.strictObject({ order_id: id, units_released: optional(z.int()) }),
  },
  'fulfillment.held': {
    version: 1,
    means: 'the part of an order that goes to one partner is held',
    data: z.strictObject({ fulfillment_id: id, order_id: optional(id), reasons }),
  },
  'fulfillment.accepted': {
    version: 1,
    means: 'a partner accepted its part of an order',
    data: z.strictObject({ fulfillment_id: id, order_id: optional(id) }),
  },
  'fulfillment.rejected': {
    version: 1,
    means: 'a partner refused its part of an order',
    data: z.strictObject({ fulfillment_id: id, order_id: optional(id), code: optional(code) }),
  },
  'fulfillment.recalled': {
    version: 1,
    means: 'a partner gave its part of an order back; the code says why it was asked for',
    data: z.strictObject({ fulfillment_id: id, order_id: optional(id), code: optional(code) }),
  },
  'fulfillment.recall_too_late': {
    version: 1,
    means: 'a part of an order was asked back after it had left',
    data: z.strictObject({
      fulfillment_id: id,
      order_id: optional(id),
      tracking_number: optional(id),
    }),
  },
  'dispatch.recalling': {
    version: 1,
    means: 'a partner is asked to give orders of a dispatch back',
    data: z.strictObject({ dispatch_id: id, partner_id: optional(id), code: optional(code) }),
  },
  'dispatch.recalled': {
    version: 1,
    means: 'every order of a dispatch came back, or it never left',
    data: z.strictObject({ dispatch_id: id, partner_id: optional(id), code: optional(code) }),
  },
  'dispatch.recall_partial': {
    version: 1,
    means: 'some orders of a dispatch came back; the others stay with the partner',
    data: z.strictObject({ dispatch_id: id, partner_id: optional(id), code: optional(code) }),
  },
  'dispatch.accepted': {
    version: 1,
    means: 'a partner accepted a dispatch of up to a hundred orders',
    data: z.strictObject({ dispatch_id: id, partner_id: optional(id), code: optional(code) }),
  },
  'dispatch.unknown': {
    version: 1,
    means: 'a partner may or may not have a dispatch; it is being asked',
    data: z.strictObject({ dispatch_id: id, partner_id: optional(id), code: optional(code) }),
  },
  'dispatch.rejected': {
    version: 1,
    means: 'a partner refused a whole dispatch',
    data: z.strictObject({ dispatch_id: id, partner_id: optional(id), code: optional(code) }),
  },
  'shipment.created': {
    version: 1,
    means: 'a parcel left a partner',
    data: z.strictObject({
      shipment_id: id,
      fulfillment_id: id,
      order_id: optional(id),
      carrier: optional(z.string().max(100)),
      tracking_number: optional(id),
    }),
  },
  'shipment.delivered': {
    version: 1,
    means: 'a parcel reached its address',
    data: z.strictObject({
      shipment_id: id,
      fulfillment_id: id,
      order_id: optional(id),
      delivered_at: optional(id),
    }),
  },
  'stock.changed': {
    version: 1,
    means:
      'a receipt, adjustment or count changed stock; what sales and parcels take is told by orders and shipments',
    data: z.strictObject({
      document_id: id,
      cause: z.enum(['received', 'adjusted', 'counted']),
      lines: optional(z.int()),
      skus: z.array(id).max(50),
    }),
  },
  'stock.negative': {
    version: 1,
    means: 'the physical book of a SKU fell below zero; the SKU is withdrawn from sale',
    data: z.strictObject({ sku: id, location_id: optional(id), on_hand: optional(z.int()) }),
  },
  'case.opened': {
    version: 1,
    means: 'something needs a person',
    data: z.strictObject({ case_id: id, kind: optional(code), subject_id: optional(id) }),
  },
  'case.resolved': {
    version: 1,
    means: 'somebody settled a case',
    data: z.strictObject({ case_id: id }),
  },
  'return.recorded': {
    version: 1,
    means: 'goods came back; the first twenty orders that they belong to',
    data: z.strictObject({ return_id: id, order_ids: z.array(id).max(20) }),
  },
  'subscription.paused': {
    version: 1,
    means: 'a webhook subscription stands still; it goes on from there when it is resumed',
    data: z.strictObject({ subscription_id: id, reason: optional(code) }),
  },
  'subscription.resumed': {
    version: 1,
    means: 'a webhook subscription goes on from where it stood',
    data: z.strictObject({ subscription_id: id }),
  },
  'subscription.delivery_failed': {
    version: 1,
    means: 'a delivery was tried for three days without success; it is kept and can be replayed',
    data: z.strictObject({
      subscription_id: id,
      delivery_id: optional(id),
      event_type: optional(code),
    }),
  },
} as const satisfies Record<string, EventType>

/** The public name of an event. */
export type EventName = keyof typeof EVENT_TYPES
/** The payload of an event. */
export type EventData<N extends EventName> = z.infer<(typeof EVENT_TYPES)[N]['data']>

/** Every public name, in the order of the list. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
export const EVENT_NAMES = Object.keys(EVENT_TYPES) as readonly EventName[]

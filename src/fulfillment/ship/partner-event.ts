import { z } from 'zod'
import { timeText } from '#platform/index.ts'
import { ORDER_LINES_MAX } from '#wire/index.ts'
import { parseStrictJson } from '#platform/webhooks/index.ts'

const line = z.object({
  line_id: z.string().regex(/^[1-9][0-9]{0,8}$/),
  sku: z.string().regex(/^[\x21-\x7e]{1,64}$/),
  qty: z.int().min(1).max(1_000_000),
})

// A partner that names single units names all of a line, each once.
const parcelLine = line
  .extend({
    unit_ids: z
      .array(z.string().regex(/^[\x21-\x7e]{1,128}$/))
      .max(1_000)
      .optional(),
  })
  .refine(({ qty, unit_ids: ids }) => !ids || (ids.length === qty && new Set(ids).size === qty))

const onceEach = (lines: readonly { readonly line_id: string }[]): boolean =>
  new Set(lines.map((one) => one.line_id)).size === lines.length

const shipment = z.object({
  shipment_id: z.string().regex(/^[\x21-\x7e]{1,128}$/),
  fulfillment_id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  carrier: z.string().max(128).optional(),
  tracking_number: z.string().max(128).optional(),
  /** Without them nobody knows what is in the parcel: a person looks. */
  lines: z.array(parcelLine).max(ORDER_LINES_MAX).refine(onceEach).default([]),
})

const shortage = z.object({
  fulfillment_id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  code: z
    .string()
    .regex(/^[a-z0-9_]{1,64}$/)
    .default('short'),
  lines: z.array(line).min(1).max(ORDER_LINES_MAX).refine(onceEach),
})

const common = {
  schema: z.literal('holdfast.partner-event/1'),
  partner: z.string(),
  sequence: z.int().min(1),
  occurred_at: timeText,
  dispatch_key: z.string().regex(/^hfd1-[a-z2-7]{32}$/),
}

const partnerEvent = z.discriminatedUnion('type', [
  z.object({
    ...common,
    type: z.literal('dispatch.accepted'),
    fulfillments: z.array(z.string().max(64)).max(1_000),
  }),
  z.object({
    ...common,
    type: z.literal('shipment.shipped'),
    shipments: z.array(shipment).min(1).max(1_000),
  }),
  z.object({
    ...common,
    type: z.literal('shipment.delivered'),
    shipments: z
      .array(shipment.pick({ shipment_id: true, fulfillment_id: true }))
      .min(1)
      .max(1_000),
  }),
  z.object({
    ...common,
    type: z.literal('shipment.short'),
    fulfillments: z.array(shortage).min(1).max(1_000),
  }),
])

const TYPES = ['dispatch.accepted', 'shipment.shipped', 'shipment.delivered', 'shipment.short']

/** A partner event that this build understands; fields that it does not know are left aside. */
export type PartnerEvent = z.output<typeof partnerEvent>
/** One parcel of an event. */
export type EventShipment = z.output<typeof shipment>

/** Units of one order that its partner will not ship. */
export type EventShortage = z.output<typeof shortage>

/** Why an event cannot be applied. `unknown_type` is kept and shown; the others are loud. */
export type UnreadEvent = 'unreadable' | 'other_partner' | 'unknown_type'

/** Reads a stored event of `partner`. Verified bytes that say something else are not guessed at. */
export function readPartnerEvent(
  raw: Uint8Array,
  partner: string,
): { readonly event: PartnerEvent } | { readonly unread: UnreadEvent } {
  const json = parseStrictJson(raw)
  if (!json.ok) return { unread: 'unreadable' }
  const parsed = partnerEvent.safeParse(json.value)
  if (!parsed.success) {
    const isOther = z.object({ schema: common.schema, type: z.string() }).safeParse(json.value)
    const known = TYPES
    const isUnknownType = isOther.success && !known.includes(isOther.data.type)
    return { unread: isUnknownType ? 'unknown_type' : 'unreadable' }
  }
  return parsed.data.partner === partner ? { event: parsed.data } : { unread: 'other_partner' }
}

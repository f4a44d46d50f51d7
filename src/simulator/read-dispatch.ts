import { z } from 'zod'
import { sha256Hex } from '#kernel/index.ts'
import type { CanonicalValue } from '#kernel/index.ts'
import { canonicalText } from './canonical-text.ts'
import { KEY } from './judge-request.ts'
import { against } from './problem.ts'
import type { Judged } from './problem.ts'
import { strictJson } from './strict-json.ts'

const line = z.looseObject({
  line_id: z.string().min(1).max(64),
  sku: z.string().min(1).max(128),
  qty: z.int().min(1),
})

const order = z.looseObject({
  fulfillment_id: z.string().regex(/^ful_[A-Za-z0-9_-]{1,60}$/),
  order_key: z.string().regex(/^hfo1-[a-z2-7]{32}$/),
  hold_for_review: z.unknown(),
  review_decision_id: z.unknown(),
  lines: z
    .array(line)
    .min(1)
    .refine((lines) => areDistinct(lines.map((one) => one.line_id)), 'a line id is there twice'),
})

const dispatch = z
  .looseObject({
    schema: z.literal('holdfast.dispatch/1'),
    type: z.literal('dispatch.create'),
    key: z.string().regex(KEY),
    content_sha256: z.string().regex(/^[0-9a-f]{64}$/),
    batch: z.string().regex(/^btc_[A-Za-z0-9_-]{1,60}$/),
    revision: z.int().min(1),
    /** 0 in a probe, which takes none. */
    sequence: z.int().min(0),
    /** A no-op of a conformance probe: answered and remembered like any other, never shipped. */
    probe: z.literal(true).optional(),
    order_count: z.int().min(1),
    orders: z
      .array(order)
      .min(1)
      .refine((all) => areDistinct(all.map((one) => one.order_key)), 'an order key is there twice')
      .refine((all) => areDistinct(all.map((one) => one.fulfillment_id)), 'a fulfillment is twice'),
  })
  .refine((one) => (one.sequence === 0) === (one.probe === true), 'a probe alone has sequence 0')

/** A dispatch whose every claim was recomputed from the bytes (HDP/1 §1.3). */
export type Dispatch = z.output<typeof dispatch>

/** Reads and judges a dispatch body; refuses an order that no decision has cleared. */
export function readDispatch(body: Buffer): Judged<Dispatch> {
  const value = strictJson(body)
  const parsed = dispatch.safeParse(value)
  if (value === undefined || !parsed.success) return malformed(parsed.error)
  const read = parsed.data
  if (read.order_count !== read.orders.length) return against('order_count_mismatch')
  const held = read.orders.find((one) => !isCleared(one))
  if (held) return against('order_on_hold', `${held.fulfillment_id} is not cleared by a decision`)
  if (contentSha256(value) !== read.content_sha256) return against('content_mismatch')
  return { ok: true, value: read }
}

/**
 * SHA-256 hex of the RFC 8785 text of {schema, type, batch, orders}, the orders without their
 * `order_key`; `undefined` for a value that has no canonical text (a fraction, an unsafe integer).
 */
export function contentSha256(body: CanonicalValue): string | undefined {
  const { schema = null, type = null, batch = null, orders = null } = record(body)
  const named = Array.isArray(orders) ? orders.map(withoutOrderKey) : orders
  const text = canonicalText({ batch, orders: named, schema, type })
  return text === undefined ? undefined : sha256Hex(text)
}

function withoutOrderKey(value: CanonicalValue): CanonicalValue {
  const { order_key: _, ...rest } = record(value)
  return rest
}

/** An object as it is; anything else as an empty one. */
function record(value: CanonicalValue): { readonly [key: string]: CanonicalValue } {
  return isRecord(value) ? value : {}
}

function isRecord(value: CanonicalValue): value is { readonly [key: string]: CanonicalValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

// Absent, null, 0 and "false" are all not `false`: only an explicit clearance ships.
function isCleared(one: Dispatch['orders'][number]): boolean {
  const decision = one.review_decision_id
  return one.hold_for_review === false && typeof decision === 'string' && decision.length > 0
}

function areDistinct(names: readonly string[]): boolean {
  return new Set(names).size === names.length
}

/** `body_malformed`, naming the first field that is wrong. */
export function malformed(error: z.ZodError | undefined): Judged<never> {
  const issue = error?.issues[0]
  return against(
    'body_malformed',
    issue ? `${issue.path.join('.') || 'body'}: ${issue.message}` : undefined,
  )
}

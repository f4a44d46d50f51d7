import { z } from 'zod'
import { timeText } from '#platform/index.ts'
import { ORDER_LINES_MAX } from '#wire/index.ts'

const sku = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[\x21-\x7e]+$/, 'a SKU is printable ASCII without spaces')
/**
 * Text of a person: well-formed Unicode without control characters. PostgreSQL takes no U+0000 and
 * canonical JSON no lone surrogate, and either would fault a whole batch instead of one order.
 */
const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine(
      (value) => value.isWellFormed() && !/\p{Cc}/u.test(value),
      'has characters that no address has',
    )
const someText = (max: number) => text(max).min(1)
const quantity = z.int().min(1).max(1_000_000)
const minor = z.int().min(0).max(1_000_000_000)

/** One line as asked for. Lines keep their order; one SKU may stand on several lines. */
export const orderLineInput = z.strictObject({
  sku,
  qty: quantity,
  unit_price_minor: minor.optional(),
})

/** A charge that is not shippable (carriage, voucher, manual): carried, totalled, never reserved. */
export const chargeInput = z.strictObject({
  code: someText(32),
  qty: z.int().min(-1_000_000).max(1_000_000),
  unit_price_minor: z.int().min(-1_000_000_000).max(1_000_000_000),
})

/** Where the goods go. `country` is ISO 3166-1 alpha-2. */
export const shipToInput = z.strictObject({
  name: someText(200).optional(),
  street: someText(400).optional(),
  city: someText(200).optional(),
  region: someText(200).optional(),
  postal_code: someText(32).optional(),
  country: z
    .string()
    .regex(/^[A-Z]{2}$/, 'ISO 3166-1 alpha-2')
    .optional(),
  phone: text(64).optional(),
  email: text(320).optional(),
})

/**
 * The promise that the order leaves by: a time with its offset, or a date, which means its last second
 * in UTC. Four digits of a year that PostgreSQL and every partner can read.
 */
export const shipByInput = z.union(
  [z.iso.date(), timeText].map((form) =>
    form.regex(/^2[01]\d\d-/, 'a promise lies between the years 2000 and 2199'),
  ),
  'a date, or a time with its offset, ISO 8601, between the years 2000 and 2199',
)

/**
 * An order as HTTP, gRPC and files give it. Money in integer minor units, times ISO 8601 UTC.
 * `unit_price_minor`, `customer`, `order_id`, `placed_at` and `ship_by` count only from a caller with
 * `orders:submit`, or from import.
 */
export const orderInput = z.strictObject({
  order_id: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[\x21-\x7e]+$/)
    .optional(),
  placed_at: timeText.optional(),
  customer: someText(128).nullable().optional(),
  country: z
    .string()
    .regex(/^[A-Z]{2}$/, 'ISO 3166-1 alpha-2')
    .nullable()
    .optional(),
  currency: z.string().regex(/^[A-Z]{3}$/, 'ISO 4217'),
  lines: z.array(orderLineInput).min(1).max(ORDER_LINES_MAX),
  charges: z.array(chargeInput).max(100).optional(),
  ship_to: shipToInput.optional(),
  ship_by: shipByInput.optional(),
})

/** An order as given; see `orderInput`. */
export type OrderInput = z.infer<typeof orderInput>
/** An address as given; every part is optional here, a partner profile may ask for more. */
export type ShipTo = z.infer<typeof shipToInput>

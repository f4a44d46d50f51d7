import { z } from 'zod'
import { timeText } from '#platform/index.ts'
import { ORDER_LINES_MAX } from '#wire/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { readNdjson } from '../read-ndjson.ts'
import type { FileRow } from '../read-ndjson.ts'
import type { NewReturn } from './record-returns.ts'

const MINOR_MAX = 1_000_000_000
const name = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[\x21-\x7e]+$/, 'printable ASCII without spaces')

const line = z.strictObject({
  sku: name,
  qty: z.int().min(1).max(1_000_000),
  unit_price_minor: z.int().min(0).max(MINOR_MAX),
  order_id: name.nullable(),
  condition: z.enum(['restock', 'damaged']).default('restock'),
})

/** A charge credited, or taken: what no order line stands for. */
export const returnCharge = z.strictObject({
  code: z.string().min(1).max(32),
  qty: z.int().min(-1_000_000).max(1_000_000),
  unit_price_minor: z.int().min(-MINOR_MAX).max(MINOR_MAX),
})

const fileReturn = z
  .strictObject({
    return_id: name,
    returned_at: timeText,
    customer: z.string().min(1).max(128).nullable().default(null),
    country: z.string().max(2).nullable().optional(),
    country_name: z.string().max(100).nullable().optional(),
    currency: z.string().regex(/^[A-Z]{3}$/, 'ISO 4217'),
    lines: z.array(line).max(ORDER_LINES_MAX),
    charges: z.array(returnCharge).max(100).default([]),
  })
  .refine((row) => row.lines.length + row.charges.length > 0, 'neither lines nor charges')
  .transform((row): NewReturn => ({
    id: row.return_id,
    returnedAt: row.returned_at,
    customer: row.customer,
    currency: row.currency,
    charges: row.charges,
    lines: row.lines.map((one) => ({
      sku: one.sku,
      qty: one.qty,
      orderRef: one.order_id,
      orderLine: null,
      unitPriceMinor: one.unit_price_minor,
      condition: one.condition,
      refundMinor: one.qty * one.unit_price_minor,
    })),
  }))

/** The returns of an NDJSON file; see `readNdjson` for what is refused. */
export function readReturns(path: string): AsyncGenerator<Outcome<FileRow<NewReturn>>> {
  return readNdjson(path, fileReturn, (row) => row.id)
}

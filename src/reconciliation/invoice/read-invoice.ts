import { z } from 'zod'
import { refuse } from '#kernel/index.ts'
import type { Refusal } from '#kernel/index.ts'
import { readCsv, rowRefusal } from '#platform/files/index.ts'

/** A line of a partner's bill as its file has it. `reference` is a fulfillment or order id, or ours. */
export type InvoiceFileLine = {
  readonly fileLine: number
  readonly invoice: string
  readonly line: number
  readonly partner: string
  readonly reference: string
  readonly sku: string
  readonly units: number
  readonly amountMinor: number
  readonly currency: string
}

const name = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[\x21-\x7e]+$/, 'printable ASCII without spaces')
const whole = (max: number) =>
  z
    .string()
    .regex(/^\d{1,13}$/, 'a whole number')
    .transform(Number)
    .refine((value) => value <= max, `at most ${max}`)
const row = z.object({
  invoice_id: name(64),
  line: whole(1_000_000).refine((value) => value >= 1, 'counts from 1'),
  partner: name(32),
  fulfillment: z.string().max(64).optional(),
  order: z.string().max(64).optional(),
  sku: name(64),
  units: whole(10_000_000).refine((value) => value >= 1, 'at least 1'),
  amount_minor: whole(1_000_000_000_000),
  currency: z.string().regex(/^[A-Z]{3}$/, 'ISO 4217'),
})

const COLUMNS = ['invoice_id', 'line', 'partner', 'sku', 'units', 'amount_minor', 'currency']

/**
 * The lines of a bill: CSV with `invoice_id`, `line`, `partner`, `sku`, `units`, `amount_minor`,
 * `currency`, and `fulfillment` or `order`. Every bad row is named, and a line that stands twice.
 */
export async function readInvoiceFile(path: string): Promise<{
  readonly lines: readonly InvoiceFileLine[]
  readonly refusals: readonly Refusal[]
}> {
  const lines: InvoiceFileLine[] = []
  const refusals: Refusal[] = []
  const seen = new Map<string, number>()
  for await (const read of readCsv(path, COLUMNS)) {
    if (!read.ok) {
      refusals.push(read.refusal)
      continue
    }
    const { line: fileLine, fields } = read.value
    const parsed = row.safeParse(fields)
    if (!parsed.success) {
      refusals.push(rowRefusal(fileLine, parsed.error).refusal)
      continue
    }
    const {
      invoice_id: invoice,
      amount_minor: amountMinor,
      fulfillment,
      order,
      ...rest
    } = parsed.data
    const reference = fulfillment || order || ''
    const identity = `${rest.partner}\n${invoice}\n${rest.line}`
    const first = seen.get(identity)
    const problem =
      reference === ''
        ? 'names neither a fulfillment nor an order'
        : first === undefined
          ? undefined
          : `the same invoice and line stand in line ${first}`
    if (problem !== undefined) {
      refusals.push(refuse('row_invalid', problem, { line: fileLine }).refusal)
      continue
    }
    seen.set(identity, fileLine)
    lines.push({ fileLine, invoice, reference, amountMinor, ...rest })
  }
  return { lines, refusals }
}

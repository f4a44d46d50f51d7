import { z } from 'zod'
import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { readCsv, rowRefusal } from '#platform/files/index.ts'
import type { CsvRow } from '#platform/files/index.ts'

/**
 * A product of a catalog file. `openingUnits` is the larger of the columns `units` and
 * `units_needed`, 0 where the file has neither: enough for the period that the file tells of.
 */
export type CatalogFileRow = {
  readonly line: number
  readonly sku: string
  readonly title: string
  readonly priceMinor: number
  readonly currency: string
  readonly openingUnits: number
}

const count = (max: number) =>
  z
    .string()
    .regex(/^\d{1,10}$/, 'a whole number, not negative')
    .transform(Number)
    .pipe(z.int().max(max))

const fileRow = z.object({
  sku: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[\x21-\x7e]+$/, 'a SKU is printable ASCII without spaces'),
  title: z.string().trim().min(1).max(500),
  price_minor: count(1_000_000_000),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, 'ISO 4217')
    .default('GBP'),
  units: count(1_000_000_000).default(0),
  units_needed: count(1_000_000_000).default(0),
})

/**
 * The products of a CSV file with the columns `sku`, `title`, `price_minor` and, where it has them,
 * `currency` (GBP otherwise), `units`, `units_needed`; other columns are passed over. A bad row is
 * refused with its line and column (`row_invalid`); so is a SKU that stood in an earlier line.
 */
export async function* readCatalog(path: string): AsyncGenerator<Outcome<CatalogFileRow>> {
  const seen = new Map<string, number>()
  for await (const read of readCsv(path, ['sku', 'title', 'price_minor'])) {
    const row = read.ok ? toRow(read.value) : read
    if (!row.ok) {
      yield row
      continue
    }
    const { sku, line } = row.value
    const first = seen.get(sku)
    if (first === undefined) {
      seen.set(sku, line)
      yield row
    } else {
      yield refuse('row_invalid', `${sku} stands in line ${first} already.`, { line, field: 'sku' })
    }
  }
}

function toRow({ line, fields }: CsvRow): Outcome<CatalogFileRow> {
  const parsed = fileRow.safeParse(fields)
  if (!parsed.success) return rowRefusal(line, parsed.error)
  const { sku, title, price_minor: priceMinor, currency, units, units_needed } = parsed.data
  return accept({
    line,
    sku,
    title,
    priceMinor,
    currency,
    openingUnits: Math.max(units, units_needed),
  })
}

import { z } from 'zod'
import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { readCsv, rowRefusal } from '#platform/files/index.ts'
import type { CsvRow } from '#platform/files/index.ts'
import { quantityFault, STOCK_NAME } from './check-stock-document.ts'
import type { StockDocument } from './record-stock.ts'

/** One row of a stock file; rows with the same id that follow each other are one document. */
export type StockFileRow = {
  readonly line: number
  readonly id: string
  readonly sku: string
  readonly locationId: string
  readonly quantity: number
  readonly note: string | undefined
}

/** What `quantity` may be: units received, a signed change that is not 0, or what was counted. */
const quantityOf = (kind: StockDocument['kind']) =>
  z
    .string()
    .regex(/^[+-]?\d{1,10}$/, 'a whole number')
    .transform(Number)
    .superRefine((value, check) => {
      const fault = quantityFault(kind, value)
      if (fault !== undefined) check.addIssue(fault)
    })

const name = z.string().regex(STOCK_NAME, 'printable ASCII without spaces, at most 64 characters')

/**
 * The rows of a stock file: CSV with the columns `id`, `sku`, `location`, `quantity` and, where it
 * has one, `note`. Refuses bad rows with line and column (`row_invalid`), an id that comes back
 * after another one, and a (SKU, location) pair that stands twice in one document.
 */
export async function* readStockRows(
  path: string,
  kind: StockDocument['kind'],
): AsyncGenerator<Outcome<StockFileRow>> {
  const firstLines = new Map<string, number>()
  let current = ''
  let pairs = new Map<string, number>()
  for await (const read of readCsv(path, ['id', 'sku', 'location', 'quantity'])) {
    const row = read.ok ? toStockRow(read.value, kind) : read
    if (!row.ok) {
      yield row
      continue
    }
    const { id, line, sku, locationId } = row.value
    const begun = firstLines.get(id)
    if (id !== current) pairs = new Map()
    const twin = pairs.get(`${sku}\n${locationId}`)
    if (begun !== undefined && id !== current) {
      yield refuse(
        'row_invalid',
        `Document ${id} began in line ${begun}: keep its rows together.`,
        {
          line,
          field: 'id',
        },
      )
    } else if (twin !== undefined) {
      yield refuse('row_invalid', `${sku} at ${locationId} stands in line ${twin} already.`, {
        line,
        field: 'sku',
      })
    } else {
      yield row
    }
    if (begun === undefined) firstLines.set(id, line)
    pairs.set(`${sku}\n${locationId}`, line)
    current = id
  }
}

/** One row checked: a bad field is named (`row_invalid`). */
export function toStockRow(
  { line, fields }: CsvRow,
  kind: StockDocument['kind'],
): Outcome<StockFileRow> {
  const parsed = ROWS[kind].safeParse(fields)
  if (!parsed.success) return rowRefusal(line, parsed.error)
  const { id, sku, location: locationId, quantity, note } = parsed.data
  return accept({ line, id, sku, locationId, quantity, note: note === '' ? undefined : note })
}

const rowOf = (kind: StockDocument['kind']) =>
  z.object({
    id: name,
    sku: name,
    location: name,
    quantity: quantityOf(kind),
    note: z.string().max(500).optional(),
  })

const ROWS = {
  receive: rowOf('receive'),
  adjust: rowOf('adjust'),
  count: rowOf('count'),
} as const

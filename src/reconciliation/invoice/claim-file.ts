import type { InvoiceLine } from './reconcile-invoice.ts'

const HEADER = [
  'partner',
  'invoice_id',
  'line',
  'reference',
  'order_id',
  'sku',
  'billed_units',
  'shipped_units',
  'billed_minor',
  'disputed_minor',
  'currency',
  'reason',
]

/** The claim on a partner as CSV (RFC 4180): every line that we dispute, and what we do not owe of it. */
export function claimFile(lines: readonly InvoiceLine[]): string {
  const rows = lines
    .filter((one) => one.verdict !== 'matched')
    .map((one) => [
      one.partner_id,
      one.invoice_id,
      one.line_no,
      one.reference,
      one.order_id ?? '',
      one.sku,
      one.units,
      one.matched_units,
      one.amount_minor,
      one.disputed_minor,
      one.currency,
      one.verdict,
    ])
  return [HEADER, ...rows].map((row) => `${row.map(field).join(',')}\r\n`).join('')
}

// A spreadsheet would run what begins with these: a quote in front makes it text.
function field(value: string | number): string {
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

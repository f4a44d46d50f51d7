import type { NewCase } from '#cases/index.ts'
import type { RowOf } from '#platform/index.ts'
import type { selectShipped } from './invoice-statements.ts'
import type { InvoiceFileLine } from './read-invoice.ts'

/** Shipped units that no bill has had. `estimated_minor` goes by what this bill asks a unit on average. */
export type Unbilled = {
  readonly partner: string
  readonly order_id: string
  readonly sku: string
  readonly units: number
  readonly estimated_minor: number
  readonly currency: string
}

/**
 * What is shipped and not billed, as a case for each partner and order, and the subjects of those
 * orders of which all is billed by now.
 */
export function unbilledCases(
  shipped: readonly RowOf<typeof selectShipped.row>[],
  billed: readonly InvoiceFileLine[],
): {
  readonly unbilled: readonly Unbilled[]
  readonly cases: readonly NewCase[]
  readonly billed: readonly string[]
} {
  const rates = Map.groupBy(billed, (one) => one.partner)
  const unbilled = shipped
    .filter((row) => row.units > row.matched)
    .map((row): Unbilled => {
      const units = row.units - row.matched
      const own = rates.get(row.partner_id) ?? []
      const amount = own.reduce((sum, one) => sum + one.amountMinor, 0)
      const count = own.reduce((sum, one) => sum + one.units, 0)
      return {
        partner: row.partner_id,
        order_id: row.order_id,
        sku: row.sku,
        units,
        estimated_minor: count === 0 ? 0 : Math.round((amount / count) * units),
        currency: own[0]?.currency ?? '',
      }
    })
  const byOrder = Map.groupBy(unbilled, subjectOf)
  const cases = [...byOrder].map(([subjectId, own]) => caseOf(subjectId, own))
  const settled = shipped
    .map((row) => subjectOf({ partner: row.partner_id, order_id: row.order_id }))
    .filter((subject) => !byOrder.has(subject))
  return { unbilled, cases, billed: [...new Set(settled)] }
}

const subjectOf = (one: { readonly partner: string; readonly order_id: string }): string =>
  `${one.partner} ${one.order_id} unbilled`

function caseOf(subjectId: string, own: readonly Unbilled[]): NewCase {
  const [first] = own
  const amount = own.reduce((sum, one) => sum + one.estimated_minor, 0)
  const units = own.reduce((sum, one) => sum + one.units, 0)
  return {
    kind: 'invoice_difference',
    subjectId,
    orderId: first?.order_id ?? '',
    partnerId: first?.partner ?? '',
    title: `${first?.partner} has shipped ${units} units of an order and billed them nowhere.`,
    evidence: {
      verdict: 'shipped_not_billed',
      is_estimate: true,
      lines: own.map(({ sku, units: count }) => ({ sku, units: count })),
    },
    dueHours: 720,
    ...(first?.currency ? { money: { amount, currency: first.currency } } : {}),
  }
}

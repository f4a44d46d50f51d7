import type { AnyRoute, Context } from '#platform/index.ts'
import { invoiceRoutes } from './invoice/invoices.http.ts'
import { runRoutes } from './manifest/runs.http.ts'
import { returnRoutes } from './returns/returns.http.ts'
import { countRoutes } from './stock/counts.http.ts'

export { reconciliationChecks } from './checks.ts'
export { importAdjustments } from './import-adjustments.ts'
export type { AdjustmentImport } from './import-adjustments.ts'
export { claimFile } from './invoice/claim-file.ts'
export { readInvoiceFile } from './invoice/read-invoice.ts'
export { reconcileInvoice } from './invoice/reconcile-invoice.ts'
export type { InvoiceMatch } from './invoice/reconcile-invoice.ts'
export { clearLane } from './manifest/clear-lane.ts'
export { reconcileShipments } from './manifest/reconcile-shipments.ts'
export type { ReconcileDeps, ShipmentRun } from './manifest/reconcile-shipments.ts'
export { startReconciliation } from './manifest/run-schedule.ts'
export { importReturns } from './returns/import-returns.ts'
export type { ReturnImport } from './returns/import-returns.ts'
export { returnOrder } from './returns/return-order.ts'
export { returnsOfOrder } from './returns/return-queries.ts'
export type { OrderReturn } from './returns/return-queries.ts'
export { decideCount, findCount, readCountFile, recordCount } from './stock/count-stock.ts'
export type { RecordedCount } from './stock/count-stock.ts'

/** Every HTTP route of reconciliation. */
export function reconciliationRoutes(deps: { readonly context: Context }): readonly AnyRoute[] {
  return [
    ...runRoutes(deps.context),
    ...countRoutes(deps.context),
    ...invoiceRoutes(deps.context),
    ...returnRoutes(deps.context),
  ]
}

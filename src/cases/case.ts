/** What a case can be about; each has its own way to be settled. */
export const CASE_KINDS = [
  'double_ship',
  'too_late',
  'shipped_after_recall',
  'discrepancy',
  'short_shipment',
  'overdue_shipment',
  'overdue_dispatch',
  'overdue_recall',
  'overdue_handover',
  'rules_unread',
  'unmatched_shipment',
  'parcel_without_lines',
  'partial_rejection',
  'stock_difference',
  'invoice_difference',
  'return',
  'lost_parcel',
  'partner_regressed',
  'database_restored',
  'ship_by_at_risk',
  'ship_by_missed',
] as const
/** One of `CASE_KINDS`. */
export type CaseKind = (typeof CASE_KINDS)[number]

/** Why an order is held; `HOLD_REASONS` of `src/orders/review.ts` is held to it by the compiler. */
export const HOLD_REASON_LABELS = [
  'value',
  'quantity',
  'guest',
  'country',
  'submitted_hold',
  'held_before',
  'auto_approval_disabled',
  'reviewer',
  'flags_unread',
  'rules_unread',
] as const
/** One of `HOLD_REASON_LABELS`. */
export type HoldReasonLabel = (typeof HOLD_REASON_LABELS)[number]

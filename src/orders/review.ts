/** Why an order is held. In the data files: VALUE, QTY, GUEST, COUNTRY. */
export type RuleReason = 'value' | 'quantity' | 'guest' | 'country'
/** All reasons a hold can have, beyond the rules: from outside, by a switch, or by a person. */
export type HoldReason =
  | RuleReason
  | 'submitted_hold'
  | 'held_before'
  | 'auto_approval_disabled'
  | 'reviewer'

/** Every decision is one of these. There is no default: an order without a decision is `unset`. */
export type Verdict =
  | { readonly kind: 'hold'; readonly reasons: readonly [HoldReason, ...HoldReason[]] }
  | { readonly kind: 'clear' }

/** The rules as versioned data. Amounts in minor units; each threshold is inclusive. */
export type ReviewRules = {
  readonly valueMinor: number
  readonly lineQuantity: number
  readonly guestValueMinor: number
  readonly homeCountry: string
}

/** What the rules look at. `country` is null where nobody said; `customer` null is a guest. */
export type ReviewedOrder = {
  readonly goodsMinor: number
  readonly quantityMax: number
  readonly customer: string | null
  readonly country: string | null
}

/**
 * The hold rule: stateless, whole numbers, all reasons named. An absent country holds, and so does
 * a HOLD from outside; nothing from outside can clear.
 */
export function review(
  order: ReviewedOrder,
  rules: ReviewRules,
  circumstances: {
    readonly submittedHold?: boolean
    /** The order was held under an earlier revision: only a person may clear it now. */
    readonly heldBefore?: boolean
    readonly autoApproval: boolean
  },
): Verdict {
  const reasons: HoldReason[] = []
  if (order.goodsMinor >= rules.valueMinor) reasons.push('value')
  if (order.quantityMax >= rules.lineQuantity) reasons.push('quantity')
  if (order.customer === null && order.goodsMinor >= rules.guestValueMinor) reasons.push('guest')
  if (order.country !== rules.homeCountry) reasons.push('country')
  if (circumstances.submittedHold) reasons.push('submitted_hold')
  if (circumstances.heldBefore) reasons.push('held_before')
  if (reasons.length === 0 && !circumstances.autoApproval) reasons.push('auto_approval_disabled')
  const [first, ...rest] = reasons
  return first ? { kind: 'hold', reasons: [first, ...rest] } : { kind: 'clear' }
}

import type { HoldReasonLabel } from '#telemetry/index.ts'

/** Why an order is held. In the data files: VALUE, QTY, GUEST, COUNTRY. */
export type RuleReason = 'value' | 'quantity' | 'guest' | 'country'

/**
 * Every reason that a hold can have and what it means; `docs/reference/review.md` is written from this table.
 * `by`: found by the rules, said from outside or by a person, or the rules or flags could not be read.
 */
export const HOLD_REASONS = {
  value: { by: 'rule', means: 'the goods are worth at least the value limit' },
  quantity: { by: 'rule', means: 'a line asks for at least the quantity limit' },
  guest: { by: 'rule', means: 'a guest orders goods worth at least the limit for guests' },
  country: { by: 'rule', means: 'the country is not the home country, or nobody said one' },
  submitted_hold: { by: 'other', means: 'whoever placed the order asked for a hold' },
  held_before: {
    by: 'other',
    means: 'the order was held before its address changed: only a person clears it',
  },
  auto_approval_disabled: {
    by: 'other',
    means: '`order_auto_approval_enabled` was off, so no rule could clear the order',
  },
  reviewer: { by: 'other', means: 'a person decided to hold the order' },
  flags_unread: {
    by: 'unread',
    means:
      'the flags could not be read when the order was decided; decided again once they are read',
  },
  rules_unread: {
    by: 'unread',
    means:
      'the stored rules, promise policy or flags hold what this build does not know; decided again once they are read',
  },
} as const satisfies Record<HoldReasonLabel, { by: 'rule' | 'other' | 'unread'; means: string }>

/** All reasons a hold can have, beyond the rules: from outside, by a switch, or by a person. */
export type HoldReason = keyof typeof HOLD_REASONS

/** True for a reason of this build. */
export function isHoldReason(reason: string): reason is HoldReason {
  return Object.hasOwn(HOLD_REASONS, reason)
}

/** The reasons that end by themselves: the order is decided again when what was missing can be read. */
export const UNREAD_REASONS = ['flags_unread', 'rules_unread'] as const satisfies HoldReason[]

/** The reasons as a schema of the API (OpenAPI 3.1). */
export function reviewSchemas() {
  return {
    HoldReason: {
      type: 'string',
      description:
        'Why an order is held: `review.reasons` of a placed order, `reasons` of a decision',
      oneOf: Object.entries(HOLD_REASONS).map(([name, { means }]) => ({
        const: name,
        description: means,
      })),
    },
  }
}

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

/** Whether rules may clear an order now: the switch, or why nobody knows it. */
export type RuleApproval = 'on' | 'off' | 'flags_unread' | 'rules_unread'

/** What holds an order whatever it contains. Each member must be given: an absent one is no permission. */
export type Circumstances = {
  readonly submittedHold: boolean
  /** The order was held under an earlier revision: only a person may clear it now. */
  readonly heldBefore: boolean
  readonly approval: RuleApproval
}

/**
 * The hold rule: stateless, whole numbers, all reasons named. An absent country holds, and so does
 * a HOLD from outside; nothing from outside can clear. Every comparison holds unless both sides are what
 * their type says, so that a limit that is missing at run time holds, too.
 */
export function review(
  order: ReviewedOrder,
  rules: ReviewRules | 'unread',
  circumstances: Circumstances,
): Verdict {
  const reasons: HoldReason[] = rules === 'unread' ? ['rules_unread'] : ruleReasons(order, rules)
  if (!isNo(circumstances.submittedHold)) reasons.push('submitted_hold')
  if (!isNo(circumstances.heldBefore)) reasons.push('held_before')
  // A reason that needs a person is enough; these two are told only where none does.
  if (isUnreadOnly(reasons)) {
    const why = approvalReason(circumstances.approval)
    if (why && !reasons.includes(why)) reasons.push(why)
  }
  const [first, ...rest] = reasons
  return first ? { kind: 'hold', reasons: [first, ...rest] } : { kind: 'clear' }
}

/** True where nothing but rules or flags that could not be read holds an order; also where nothing does. */
export function isUnreadOnly(reasons: readonly string[]): boolean {
  return reasons.every((reason) => UNREAD_REASONS.some((one) => one === reason))
}

function ruleReasons(order: ReviewedOrder, rules: ReviewRules): HoldReason[] {
  const { customer, country } = order
  const isGuest = typeof customer !== 'string' || customer === ''
  const isHome = typeof country === 'string' && country !== '' && country === rules.homeCountry
  const found: HoldReason[] = []
  if (!isBelow(order.goodsMinor, rules.valueMinor)) found.push('value')
  if (!isBelow(order.quantityMax, rules.lineQuantity)) found.push('quantity')
  if (isGuest && !isBelow(order.goodsMinor, rules.guestValueMinor)) found.push('guest')
  if (!isHome) found.push('country')
  return found
}

// `x >= undefined` and `x >= NaN` are false: compared the other way round, what is no number is not below.
function isBelow(value: number, limit: number): boolean {
  return Number.isSafeInteger(value) && Number.isSafeInteger(limit) && value < limit
}

// An absent answer is not a no.
function isNo(answer: boolean): boolean {
  return Object.is(answer, false)
}

function approvalReason(approval: RuleApproval): HoldReason | undefined {
  switch (approval) {
    case 'on':
      return undefined
    case 'flags_unread':
    case 'rules_unread':
      return approval
    case 'off':
    default:
      return 'auto_approval_disabled'
  }
}

/** The newest decision on an order, as this domain stored it. */
export type StoredVerdict = {
  readonly id: string
  readonly verdict: 'hold' | 'clear'
  readonly reasons: readonly string[]
  readonly revision: number
  readonly effectiveAt: Date
}

/** An unsealed fulfillment order with what holds it now. */
export type HeldFacts = {
  readonly id: string
  readonly state: 'held' | 'open'
  readonly revision: number
  readonly clearedBy: string | null
  readonly hasReviewHold: boolean
  readonly hasOperatorHold: boolean
}

/** What a fulfillment order becomes: open under a named CLEAR, or held with its review reasons. */
export type Settlement =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'open'; readonly decision: StoredVerdict }
  | {
      readonly kind: 'hold'
      /** Reasons of a new review hold; absent where one is open already or none is due. */
      readonly placeReview?: readonly string[]
      /** True where the review is over and only an operator's hold is left. */
      readonly isReviewOver: boolean
    }

/**
 * Settles one unsealed fulfillment order by the newest decision on its order. Nobody's decision is
 * `verdict_missing` and holds; a CLEAR for another revision is nobody's decision.
 */
export function settleHolds(facts: HeldFacts, newest: StoredVerdict | undefined): Settlement {
  const isClear = newest?.verdict === 'clear' && newest.revision === facts.revision
  if (isClear && !facts.hasOperatorHold) {
    const isAsBefore =
      facts.state === 'open' && facts.clearedBy === newest.id && !facts.hasReviewHold
    return isAsBefore ? { kind: 'unchanged' } : { kind: 'open', decision: newest }
  }
  if (isClear) {
    if (facts.state === 'held' && !facts.hasReviewHold) return { kind: 'unchanged' }
    return { kind: 'hold', isReviewOver: true }
  }
  if (facts.state === 'held' && facts.hasReviewHold) return { kind: 'unchanged' }
  const reasons = newest?.verdict === 'hold' ? newest.reasons : []
  return {
    kind: 'hold',
    placeReview: reasons.length > 0 ? reasons : ['verdict_missing'],
    isReviewOver: false,
  }
}

import type { PartnerGrade } from '#partners/index.ts'

/**
 * What the lane does with a dispatch of which lines are asked back. `withdraw`: it never left, so we take
 * it back ourselves. `send`: the partner is asked. `look_up`: first it is found out whether the partner
 * has it. `by_hand`: a person asks. `wait`: something else is under way.
 */
export type RecallStep = 'withdraw' | 'send' | 'look_up' | 'by_hand' | 'wait'

/** What the decision rests on. */
export type RecallFacts = {
  readonly state: string
  /** Intents that were ever committed. */
  readonly attempt: number
  /** True where the partner has answered for the dispatch: it has it. */
  readonly isSettled: boolean
  /** True where the dispatch is of the time before a restore. */
  readonly isFrozen: boolean
  readonly grade: PartnerGrade
  /** True where a person asked for it after it came to a person, and so has looked at the dispatch. */
  readonly isByOperator: boolean
}

/**
 * The next step (HDP/1 §1.8). Only a grade A partner keeps tombstones, so that only there a dispatch
 * of unknown outcome may be recalled at once. Below C a recall is not idempotent: a person asks.
 */
export function recallStep(facts: RecallFacts): RecallStep {
  const { state, attempt, isSettled, isFrozen, grade, isByOperator } = facts
  if (state === 'sending' || isFrozen) return 'wait'
  if (state === 'queued' && attempt === 0) return 'withdraw'
  if (grade === 'A') return 'send'
  const isKnown = isSettled || isByOperator
  if (isKnown) return grade === 'B' ? 'send' : 'by_hand'
  if (state !== 'queued') return 'wait'
  return grade === 'D' ? 'by_hand' : 'look_up'
}

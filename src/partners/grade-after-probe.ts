import type { PartnerGrade } from './partner.ts'

const ORDER: readonly PartnerGrade[] = ['A', 'B', 'C', 'D']

/**
 * The grade after a probe. Down at once; up only where every check had an answer, and where a person
 * or the first start asked for it: a canary never raises a grade. Pure.
 */
export function gradeAfterProbe(facts: {
  readonly before: PartnerGrade
  readonly measured: PartnerGrade
  readonly isComplete: boolean
  readonly mayRaise: boolean
}): PartnerGrade {
  const { before, measured, isComplete, mayRaise } = facts
  const isLower = ORDER.indexOf(measured) > ORDER.indexOf(before)
  return isLower || (isComplete && mayRaise) ? measured : before
}

import type { FlagAnswer } from '#flags/index.ts'
import type { ProvenanceNow } from '#platform/index.ts'
import type { RuleApproval } from '../review.ts'
import type { PlacingDeps } from './place-orders.ts'

/** What decisions of the rules are made under: the row that they name, and the switch as it was then. */
export type DecidedUnder = ProvenanceNow & { readonly approval: RuleApproval }

const APPROVAL = {
  on: 'on',
  off: 'off',
  stale: 'flags_unread',
  unknown_flag: 'rules_unread',
} as const satisfies Record<FlagAnswer, RuleApproval>

/**
 * Asked before a transaction begins, as every provenance is. After a pause the flags are read first: what was
 * known before the process stood still is not what decides.
 */
export async function decidedUnder({ flags, context }: PlacingDeps): Promise<DecidedUnder> {
  await flags.freshen()
  // Both in one turn of the loop: the version that is recorded is that of the switch that decided.
  const approval = APPROVAL[flags.ask('order_auto_approval_enabled')]
  return { ...(await context.provenance()), approval }
}

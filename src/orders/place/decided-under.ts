import type { ProvenanceNow } from '#platform/index.ts'
import type { PlacingDeps } from './place-orders.ts'

/** What decisions of the rules are made under: the row that they name, and the switch as it was then. */
export type DecidedUnder = ProvenanceNow & { readonly autoApproval: boolean }

/** Asked before a transaction begins, as every provenance is. */
export async function decidedUnder({ flags, context }: PlacingDeps): Promise<DecidedUnder> {
  // Both in one turn of the loop: the version that is recorded is that of the switch that decided.
  const autoApproval = flags.isOn('order_auto_approval_enabled')
  return { ...(await context.provenance()), autoApproval }
}

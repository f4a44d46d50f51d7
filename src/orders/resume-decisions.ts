import { read } from '#platform/index.ts'
import { resumeDecision } from './decide-order.ts'
import type { AskDecision } from './decide-order.ts'
import { kept, selectDueWishes } from './decision-wish.ts'
import type { PlacingDeps } from './place/place-orders.ts'

/**
 * Takes up decisions that a crash left between the question and the record, and tells fulfillment which
 * HOLDs were never recorded. Ends at the first that it does not answer. Returns how many it settled.
 */
export async function resumeDecisions(deps: PlacingDeps, ask: AskDecision): Promise<number> {
  const { database, merchant } = deps.context
  const due = await read(database, selectDueWishes, { merchant })
  let settled = 0
  for (const row of due) {
    const wish = kept(merchant, row)
    if (!wish || !(await resumeDecision(deps, ask, wish))) break
    settled += 1
  }
  return settled
}

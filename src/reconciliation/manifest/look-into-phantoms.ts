import { askContents } from '#fulfillment/index.ts'
import type { ToldAcceptance } from '#fulfillment/index.ts'
import type { Partner } from '#partners/index.ts'
import { read } from '#platform/index.ts'
import { acceptancesOf } from './adopt-phantoms.ts'
import type { Adopted } from './adopt-phantoms.ts'
import type { Difference } from './compare-manifest.ts'
import { selectExplained } from './manifest-statements.ts'
import type { ReconcileDeps } from './reconcile-shipments.ts'

/** Look-ups without an answer after which the rest waits for the next comparison. */
const UNANSWERED_MAX = 10

/**
 * Asks what phantoms hold while the lane is open: nothing is taken back, but an order of ours among them
 * was accepted twice. Those that a person has explained are left alone. What cannot be asked stays
 * unknown, loudly, and comes again with the next comparison; the comparison itself stands.
 */
export async function lookIntoPhantoms(
  deps: ReconcileDeps,
  partner: Partner,
  differences: readonly Difference[],
): Promise<Adopted> {
  const told: ToldAcceptance[] = []
  const { database, merchant, log } = deps.context
  const nothing = { adopted: new Set<string>(), held: new Map<string, never>() }
  const phantoms = differences.filter((one) => one.kind === 'phantom')
  if (phantoms.length === 0) return { ...nothing, told }
  const subjects = phantoms.map((one) => one.subject)
  const rows = await read(database, selectExplained, { merchant, subjects })
  const explained = new Set(rows.map((row) => row.subject_id))
  let unanswered = 0
  for (const { key, subject } of phantoms) {
    if (explained.has(subject)) continue
    const contents = await askContents(deps, partner, key)
    if (contents.ok) {
      if (contents.value) told.push(...acceptancesOf(partner, contents.value))
      continue
    }
    unanswered += 1
    log.warn({ partner_id: partner.id, key }, 'nobody knows what a phantom holds')
    if (unanswered === UNANSWERED_MAX) break
  }
  return { ...nothing, told }
}

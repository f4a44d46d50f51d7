import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import type { AskDeps, SealProver } from '#fulfillment/index.ts'
import { findPartner } from '#partners/index.ts'
import { read } from '#platform/index.ts'
import { adoptPhantoms } from './adopt-phantoms.ts'
import type { Difference } from './compare-manifest.ts'
import { concludeRun, recordFailedRun } from './conclude-run.ts'
import { lookIntoPhantoms } from './look-into-phantoms.ts'
import { selectBegin } from './manifest-statements.ts'
import { readManifest } from './read-manifest.ts'

/** What a comparison is given once, at the composition root. */
export type ReconcileDeps = AskDeps & { readonly prover: SealProver }

/** Who asks for a comparison. Every quarter of an hour it begins where all was settled, else at the first dispatch. */
export type ShipmentWish = {
  readonly partner: string
  readonly cause: 'quarter_hour' | 'nightly' | 'person'
  readonly actor: string
}

/** How it came out. `green`: nothing differs that would make a send wrong or an order lost. */
export type ShipmentRun = {
  readonly id: string
  readonly partner: string
  readonly result: 'green' | 'red' | 'regressed' | 'unsupported' | 'failed'
  readonly code: string | null
  readonly ours: number
  readonly theirs: number
  readonly matched: number
  readonly pending: number
  readonly counts: Readonly<Record<Difference['kind'], number>>
  readonly adopted: number
  /** Dispatches that were frozen by a restore and go on now. */
  readonly released: number
  readonly differences: readonly Difference[]
}

/**
 * Compares our dispatches to a partner with its manifest, both ways, and writes down what differs:
 * a case for each, none sent and none changed. A manifest that ends before what it has shown stops
 * the lane. After a restore it first takes back what the partner has and our books have lost, and
 * opens the lane where all is explained. Refused: `partner_unknown`.
 */
export async function reconcileShipments(
  deps: ReconcileDeps,
  wish: ShipmentWish,
): Promise<Outcome<ShipmentRun>> {
  const { merchant, database } = deps.context
  const partner = await findPartner(database, merchant, wish.partner)
  if (!partner) return refuse('partner_unknown', `No partner ${wish.partner}.`)
  const [begin] = await read(database, selectBegin, { merchant, partner: partner.id })
  if (!begin) return refuse('database_schema', 'The installation has no instance row.')
  const isWhole = wish.cause !== 'quarter_hour' || !begin.is_clear
  // The last one that agreed is asked for again: without it the manifest went back.
  const after = isWhole ? 0 : Math.max(0, begin.settled_through - 1)
  const frame = { wish, partner, begin, after, isWhole }
  const reading = await readManifest(deps, partner, { after, begun: begin.now })
  if (!reading.ok) return accept(await recordFailedRun(deps, frame, reading.refusal))
  const adoption = begin.is_clear
    ? accept(await lookIntoPhantoms(deps, partner, reading.value.differences))
    : await adoptPhantoms(deps, partner, reading.value.phantoms)
  if (!adoption.ok) return accept(await recordFailedRun(deps, frame, adoption.refusal))
  return accept(await concludeRun(deps, frame, reading.value, adoption.value))
}

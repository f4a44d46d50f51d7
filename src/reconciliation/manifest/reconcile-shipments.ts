import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { isOurKey, raiseFenceOn } from '#fulfillment/index.ts'
import type { AskDeps, SealProver } from '#fulfillment/index.ts'
import { findPartner } from '#partners/index.ts'
import type { Partner } from '#partners/index.ts'
import { read } from '#platform/index.ts'
import { adoptPhantoms } from './adopt-phantoms.ts'
import type { Adopted } from './adopt-phantoms.ts'
import type { Difference } from './compare-manifest.ts'
import { concludeRun, recordFailedRun } from './conclude-run.ts'
import type { RunFrame } from './conclude-run.ts'
import { lookIntoPhantoms } from './look-into-phantoms.ts'
import { selectBegin } from './manifest-statements.ts'
import { readManifest } from './read-manifest.ts'
import type { ManifestReading } from './read-manifest.ts'

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
 * the lane. What the partner has and our books have lost, in a lane that is open, raises the fence. After a
 * restore it takes that back or writes it down as unknown fulfillments, and then opens the lane. Refused:
 * `partner_unknown`.
 */
export async function reconcileShipments(
  deps: ReconcileDeps,
  wish: ShipmentWish,
): Promise<Outcome<ShipmentRun>> {
  const { merchant, database } = deps.context
  const partner = await findPartner(database, merchant, wish.partner)
  if (!partner) return refuse('partner_unknown', `No partner ${wish.partner}.`)
  return compare(deps, wish, partner)
}

async function compare(
  deps: ReconcileDeps,
  wish: ShipmentWish,
  partner: Partner,
): Promise<Outcome<ShipmentRun>> {
  const { merchant, database } = deps.context
  const [begin] = await read(database, selectBegin, { merchant, partner: partner.id })
  if (!begin) return refuse('database_schema', 'The installation has no instance row.')
  const isWhole = wish.cause !== 'quarter_hour' || !begin.is_clear
  // The last one that agreed is asked for again: without it the manifest went back.
  const after = isWhole ? 0 : Math.max(0, begin.settled_through - 1)
  const frame = { wish, partner, begin, after, isWhole }
  const from = { after, begun: begin.now, pastUpto: begin.past_upto }
  const reading = await readManifest(deps, partner, from)
  if (!reading.ok) return accept(await recordFailedRun(deps, frame, reading.refusal))
  const isOlder = begin.is_clear && (await raiseOnEvidence(deps, frame, reading.value))
  // The lane is shut now, so that this second look takes back what it can.
  if (isOlder) return compare(deps, wish, partner)
  const adoption = begin.is_clear
    ? accept(await lookIntoPhantoms(deps, partner, reading.value.differences))
    : await takeBack(deps, partner, reading.value)
  if (!adoption.ok) return accept(await recordFailedRun(deps, frame, adoption.refusal))
  return accept(await concludeRun(deps, frame, reading.value, adoption.value))
}

/** Takes back new phantoms, and looks again into those that are written down already. */
async function takeBack(
  deps: ReconcileDeps,
  partner: Partner,
  { phantoms, differences }: ManifestReading,
): Promise<Outcome<Adopted>> {
  const adoption = await adoptPhantoms(deps, partner, phantoms)
  if (!adoption.ok) return adoption
  const fresh = new Set(phantoms.map((one) => one.key))
  const known = differences.filter((one) => !fresh.has(one.key))
  const { told } = await lookIntoPhantoms(deps, partner, known)
  return accept({ ...adoption.value, told: [...adoption.value.told, ...told] })
}

/** True where the manifest showed that our books are those of an earlier time: the fence is raised then. */
async function raiseOnEvidence(
  { context }: ReconcileDeps,
  { partner, begin }: RunFrame,
  reading: ManifestReading,
): Promise<boolean> {
  const owner = { merchant: context.merchant, partner: partner.id }
  const entries = [...reading.phantoms, ...reading.unclaimed].filter((one) => isOurKey(owner, one))
  const [first] = entries
  // A lane that this database never opened waits for a person instead: its handshake shuts it alone.
  if (!first || !begin.has_dispatches) return false
  await raiseFenceOn(context, {
    epoch: begin.fence_epoch,
    actor: 'reconciliation',
    partner: partner.id,
    reason: `${partner.id} holds dispatches that this database has lost: it is a copy of an earlier time.`,
    facts: {
      partner: partner.id,
      entries: entries.length,
      first_key: first.key,
      first_sequence: first.sequence,
      last_sequence: entries.at(-1)?.sequence ?? 0,
    },
  })
  return true
}

import { accept } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { adoptDispatch, askContents } from '#fulfillment/index.ts'
import type { KeyContents, ManifestEntry, ToldAcceptance } from '#fulfillment/index.ts'
import type { Partner } from '#partners/index.ts'
import type { ReconcileDeps } from './reconcile-shipments.ts'

/** Orders of ours that a phantom holds, and how many of its orders we do not know. */
export type HeldPhantom = { readonly orders: readonly string[]; readonly unknown: number }

/** What became of phantoms, by key: ours again, or held for a person; and what those that are not ours hold. */
export type Adopted = {
  readonly adopted: ReadonlySet<string>
  readonly held: ReadonlyMap<string, HeldPhantom>
  readonly told: readonly ToldAcceptance[]
}

/**
 * Takes back what a partner has and a restore took from us, in the order of its sequence. What the
 * partner has recalled by now binds nobody and counts as explained. Refused: `manifest_unavailable`.
 */
export async function adoptPhantoms(
  deps: ReconcileDeps,
  partner: Partner,
  phantoms: readonly ManifestEntry[],
): Promise<Outcome<Adopted>> {
  const adopted = new Set<string>()
  const held = new Map<string, HeldPhantom>()
  const told: ToldAcceptance[] = []
  for (const entry of phantoms) {
    const contents = await askContents(deps, partner, entry.key)
    if (!contents.ok) return contents
    if (contents.value === undefined) {
      adopted.add(entry.key)
      continue
    }
    const adoption = await adoptDispatch(deps.context, deps.prover, {
      partner: partner.id,
      entry,
      contents: contents.value,
    })
    if (adoption.kind === 'adopted') {
      adopted.add(entry.key)
      continue
    }
    held.set(entry.key, { orders: adoption.orders, unknown: adoption.unknown })
    told.push(...acceptancesOf(partner, contents.value))
  }
  return accept({ adopted, held, told })
}

/** What a partner says of a key that is not ours: each order that it took under it. */
export function acceptancesOf(
  partner: Partner,
  { key, accepted }: KeyContents,
): readonly ToldAcceptance[] {
  return accepted.map((fulfillment) => ({
    partner: partner.id,
    key,
    fulfillment,
    source: 'manifest',
  }))
}

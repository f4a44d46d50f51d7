/** Why a parcel may be a second one of the same goods. */
export type Suspicion = 'not_live' | 'over_shipped' | 'unit_twice'

/** What a partner's parcel means for a fulfillment order in a given state. */
export type ShipmentEffect =
  | { readonly kind: 'ship' }
  | { readonly kind: 'part' }
  | { readonly kind: 'late' }
  | { readonly kind: 'unlisted' }
  /** `ships` where every unit has left by now all the same. */
  | { readonly kind: 'suspect'; readonly reason: Suspicion; readonly ships: boolean }

/** States in which goods may leave: sealed counts, because an event may overtake the answer. */
const LIVE = new Set(['sealed', 'accepted', 'shipped', 'delivered'])

/** What is known when a parcel is looked at; units are by line and of its generation alone. */
export type ParcelFacts = {
  readonly state: string
  /** The dispatch that the partner names claims this order, and the claim is live. */
  readonly isClaimed: boolean
  /** Units that may leave: those ordered, less those that were given up as short. */
  readonly ordered: ReadonlyMap<string, number>
  /** Units that left, this parcel included. */
  readonly shipped: ReadonlyMap<string, number>
  /** A unit that the partner names is in another parcel already. */
  readonly hasUnitTwice: boolean
  /** The partner says what is in the parcel. */
  readonly isListed: boolean
}

/**
 * The inbound lattice `accepted < shipped < delivered` (HDP/1 §1.9), as far as a parcel moves it. Goods
 * that should not have left, more than were ordered, or one unit in two parcels are a suspected double
 * ship: recorded, never swallowed. A parcel without lines counts no units and moves nothing.
 */
export function shipmentEffect(facts: ParcelFacts): ShipmentEffect {
  const { state, ordered, shipped } = facts
  if (!LIVE.has(state) || !facts.isClaimed) {
    return { kind: 'suspect', reason: 'not_live', ships: false }
  }
  if (!facts.isListed) return { kind: 'unlisted' }
  const isOver = state === 'shipped' || state === 'delivered'
  const ships = !isOver && isWhole(ordered, shipped)
  if (facts.hasUnitTwice) return { kind: 'suspect', reason: 'unit_twice', ships }
  for (const [line, units] of shipped) {
    if (units > (ordered.get(line) ?? 0)) return { kind: 'suspect', reason: 'over_shipped', ships }
  }
  if (isOver) return { kind: 'late' }
  return { kind: ships ? 'ship' : 'part' }
}

/** Every unit that may leave has left. */
export function isWhole(
  ordered: ReadonlyMap<string, number>,
  shipped: ReadonlyMap<string, number>,
): boolean {
  return [...ordered].every(([line, units]) => (shipped.get(line) ?? 0) >= units)
}

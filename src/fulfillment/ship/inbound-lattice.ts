/** What a partner's shipment means for a fulfillment order in a given state. */
export type ShipmentEffect =
  | { readonly kind: 'ship' }
  | { readonly kind: 'part' }
  | { readonly kind: 'late' }
  | { readonly kind: 'suspect'; readonly reason: 'not_live' | 'over_shipped' }

/** States in which goods may leave: sealed counts, because an event may overtake the answer. */
const LIVE = new Set(['sealed', 'accepted', 'shipped', 'delivered'])

/**
 * The inbound lattice `accepted < shipped < delivered` (HDP/1 §1.9), as far as a shipment moves it.
 * `shipped` and `ordered` are units by line, the new shipment included. Goods that should not have
 * left, or more than were ordered, are a suspected double ship: recorded, never swallowed.
 */
export function shipmentEffect(
  state: string,
  ordered: ReadonlyMap<string, number>,
  shipped: ReadonlyMap<string, number>,
): ShipmentEffect {
  if (!LIVE.has(state)) return { kind: 'suspect', reason: 'not_live' }
  for (const [line, units] of shipped) {
    if (units > (ordered.get(line) ?? 0)) return { kind: 'suspect', reason: 'over_shipped' }
  }
  if (state === 'shipped' || state === 'delivered') return { kind: 'late' }
  const isWhole = [...ordered].every(([line, units]) => (shipped.get(line) ?? 0) >= units)
  return { kind: isWhole ? 'ship' : 'part' }
}

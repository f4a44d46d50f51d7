import { ORDER_PARTS_MAX } from '#wire/index.ts'

/** One line of demand. `lineNo` counts from 1; one SKU may stand on several lines. */
export type DemandLine = { readonly lineNo: number; readonly sku: string; readonly qty: number }

/** Units of one line taken at one location. */
export type Allocation = DemandLine & { readonly locationId: string }

/** What a line lacks: `available` is what all locations together could still give to its SKU. */
export type ShortLine = {
  readonly lineNo: number
  readonly sku: string
  readonly qty: number
  readonly available: number
}

/** Free units by SKU, then by location; locations in order of their id. Mutated by what is allocated. */
export type FreeStock = Map<string, Map<string, number>>

/** A copy that may be taken from. */
export function copyFree(free: FreeStock): FreeStock {
  return new Map([...free].map(([sku, units]) => [sku, new Map(units)]))
}

/** The whole order or nothing: there is no short allocation. */
export type AllocationResult =
  | { readonly kind: 'allocated'; readonly allocations: readonly Allocation[] }
  | { readonly kind: 'short'; readonly lines: readonly ShortLine[] }
  /** The order would have to be split into more parts than a hand-over can carry. */
  | { readonly kind: 'scattered'; readonly parts: number }

/**
 * Allocates one order. A single location that can fill it all is preferred (the one that keeps the
 * most slack, so that partners share the load); otherwise, where `maySplit`, the location that can
 * give most units goes first. Takes from `free` only when the whole order fits.
 */
export function allocate(
  lines: readonly DemandLine[],
  free: FreeStock,
  maySplit: boolean,
): AllocationResult {
  const demand = demandBySku(lines)
  const short = shortLines(lines, demand, free)
  if (short.length > 0) return { kind: 'short', lines: short }
  const single = bestSingleLocation(demand, free)
  if (single === undefined && !maySplit) {
    return {
      kind: 'short',
      lines: lines.map((line) => ({ ...line, available: bestOfOne(line.sku, free) })),
    }
  }
  const allocations =
    single === undefined
      ? split(lines, free)
      : lines.map((line) => ({ ...line, locationId: single }))
  if (allocations.length > ORDER_PARTS_MAX) return { kind: 'scattered', parts: allocations.length }
  for (const one of allocations) {
    const byLocation = free.get(one.sku)
    byLocation?.set(one.locationId, (byLocation.get(one.locationId) ?? 0) - one.qty)
  }
  return { kind: 'allocated', allocations }
}

function demandBySku(lines: readonly DemandLine[]): Map<string, number> {
  const demand = new Map<string, number>()
  for (const line of lines) demand.set(line.sku, (demand.get(line.sku) ?? 0) + line.qty)
  return demand
}

function shortLines(
  lines: readonly DemandLine[],
  demand: ReadonlyMap<string, number>,
  free: FreeStock,
): ShortLine[] {
  return lines.flatMap((line) => {
    const available = [...(free.get(line.sku)?.values() ?? [])].reduce(
      (sum, units) => sum + units,
      0,
    )
    return available < (demand.get(line.sku) ?? 0) ? [{ ...line, available }] : []
  })
}

function bestOfOne(sku: string, free: FreeStock): number {
  return Math.max(0, ...(free.get(sku)?.values() ?? []))
}

function bestSingleLocation(
  demand: ReadonlyMap<string, number>,
  free: FreeStock,
): string | undefined {
  let best: { locationId: string; slack: number } | undefined
  for (const locationId of locationsOf(demand, free)) {
    let slack = Number.POSITIVE_INFINITY
    for (const [sku, qty] of demand) {
      slack = Math.min(slack, (free.get(sku)?.get(locationId) ?? 0) - qty)
    }
    if (slack >= 0 && (best === undefined || slack > best.slack)) best = { locationId, slack }
  }
  return best?.locationId
}

function locationsOf(demand: ReadonlyMap<string, number>, free: FreeStock): Set<string> {
  const locations = new Set<string>()
  for (const sku of demand.keys()) for (const id of free.get(sku)?.keys() ?? []) locations.add(id)
  return locations
}

// Fewest parcels, greedily: the location that can give most of what is still open goes next. Only the
// order's own SKUs are copied: a batch holds thousands.
function split(lines: readonly DemandLine[], free: FreeStock): Allocation[] {
  const open = lines.map(({ lineNo, sku, qty }) => ({ lineNo, sku, qty }))
  const demand = demandBySku(lines)
  const left = new Map([...demand.keys()].map((sku) => [sku, new Map(free.get(sku))]))
  const unused = locationsOf(demand, free)
  const allocations: Allocation[] = []
  while (unused.size > 0 && demand.size > 0) {
    const locationId = mostGiving(unused, demand, left)
    unused.delete(locationId)
    for (const line of open) {
      const byLocation = left.get(line.sku)
      const qty = Math.min(line.qty, byLocation?.get(locationId) ?? 0)
      if (qty <= 0) continue
      byLocation?.set(locationId, (byLocation.get(locationId) ?? 0) - qty)
      line.qty -= qty
      const stillWanted = (demand.get(line.sku) ?? 0) - qty
      if (stillWanted > 0) demand.set(line.sku, stillWanted)
      else demand.delete(line.sku)
      allocations.push({ lineNo: line.lineNo, sku: line.sku, qty, locationId })
    }
  }
  return allocations
}

function mostGiving(
  locations: ReadonlySet<string>,
  demand: ReadonlyMap<string, number>,
  left: FreeStock,
): string {
  let best = { locationId: '', units: -1 }
  for (const locationId of locations) {
    let units = 0
    for (const [sku, qty] of demand) units += Math.min(qty, left.get(sku)?.get(locationId) ?? 0)
    if (units > best.units) best = { locationId, units }
  }
  return best.locationId
}

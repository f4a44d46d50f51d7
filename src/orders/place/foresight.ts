import type { Clock } from '#kernel/index.ts'
import type { CatalogPrice } from '#catalog/index.ts'
import type { LockedStock } from '#inventory/index.ts'
import type { RuleSet } from '../rule-set.ts'
import { skusOf } from './claim-orders.ts'
import type { PlaceItem } from './claim-orders.ts'

/** What a batch is decided upon. */
export type Ground = {
  readonly products: readonly CatalogPrice[]
  readonly rules: RuleSet
  /** Undefined where stock may be locked only after something else. */
  readonly stock: LockedStock | undefined
}

/** What a process remembers of prices, rules and stock, to decide upon without asking. */
export type Foresight = {
  /** The ground for some items, where all of it is remembered and none of them could be refused on it. */
  readonly foresee: (items: readonly PlaceItem[]) => Ground | undefined
  /** Remembers what the database just said, also that something is not to be had. */
  readonly learn: (ground: Ground) => void
}

type Remembered = {
  readonly product: CatalogPrice
  /** Free units by location, in order of rank. Never changed: each batch takes from a copy. */
  readonly free: ReadonlyMap<string, number>
}

/** SKUs that are remembered, about 300 bytes each. */
const SKUS_MAX = 10_000
/**
 * Free units for each that a batch asks for. What others took since, and up to three batches of this
 * process that are under way, is far less: where it is not, the batch asks.
 */
const PLENTY = 8

/**
 * A memory of the last answers, without a time limit: whatever is taken from it, the database is told in the
 * same transaction, which fails where it is not so. A memory that is wrong costs a round trip, nothing else:
 * who asks then puts it right.
 */
export function foresight(clock: Clock): Foresight {
  const known = new Map<string, Remembered>()
  let ruled: { readonly rules: RuleSet; readonly atMs: number } | undefined

  const keep = (product: CatalogPrice, { free, quarantined }: LockedStock): void => {
    const { sku } = product
    const units = free.get(sku)
    known.delete(sku)
    if (!product.isActive || !units || quarantined.has(sku)) return
    const oldest = known.size >= SKUS_MAX ? known.keys().next().value : undefined
    if (oldest !== undefined) known.delete(oldest)
    known.set(sku, { product, free: new Map(units) })
  }

  return {
    foresee: (items) => {
      if (!ruled || !items.every(isPlain)) return undefined
      const remembered = new Map<string, Remembered>()
      for (const sku of skusOf(items)) {
        const found = known.get(sku)
        if (!found) return undefined
        remembered.set(sku, found)
      }
      if (!items.every((item) => isInCurrency(item, remembered))) return undefined
      if (!isPlenty(items, remembered)) return undefined
      const free: LockedStock['free'] = new Map(
        [...remembered].map(([sku, one]) => [sku, new Map(one.free)] as const),
      )
      const passedMs = Math.floor(clock.monotonicMs() - ruled.atMs)
      return {
        products: [...remembered.values()].map(({ product }) => product),
        rules: { ...ruled.rules, now_ms: ruled.rules.now_ms + passedMs },
        stock: { free, quarantined: new Set() },
      }
    },
    learn: ({ products, rules, stock }) => {
      // The time was read before this answer came: what is reckoned from here is never ahead of the database.
      ruled = { rules, atMs: clock.monotonicMs() }
      if (stock) for (const product of products) keep(product, stock)
    },
  }
}

// A reference may have been sent before, as a file that is imported again; a checkout gives back first.
function isPlain({ reference, request }: PlaceItem): boolean {
  return reference === null && !request.checkoutId
}

function isInCurrency(
  { request }: PlaceItem,
  remembered: ReadonlyMap<string, Remembered>,
): boolean {
  const { currency, lines } = request.input
  return lines.every((line) => remembered.get(line.sku)?.product.currency === currency)
}

function isPlenty(
  items: readonly PlaceItem[],
  remembered: ReadonlyMap<string, Remembered>,
): boolean {
  const asked = new Map<string, number>()
  for (const { request } of items)
    for (const { sku, qty } of request.input.lines) asked.set(sku, (asked.get(sku) ?? 0) + qty)
  return [...asked].every(([sku, units]) => {
    let free = 0
    for (const there of remembered.get(sku)?.free.values() ?? []) free += there
    return free >= units * PLENTY
  })
}

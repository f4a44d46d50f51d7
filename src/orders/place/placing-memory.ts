import type { Clock } from '#kernel/index.ts'
import type { CatalogPrice } from '#catalog/index.ts'
import { allocate, copyFree } from '#inventory/index.ts'
import type { SellableStock } from '#inventory/index.ts'
import { checkOrderSize } from '#wire/index.ts'
import type { RuleSet } from '../rule-set.ts'
import type { Facts, WholeFacts } from './gather-facts.ts'
import { skusOf } from './place-item.ts'
import type { PlaceItem } from './place-item.ts'

/** What a process remembers of prices, rules, time and stock, to decide upon without asking. */
export type PlacingMemory = {
  /** Facts for some items, where all of it is remembered and nobody would be refused on it. Their time is old. */
  readonly factsFor: (items: readonly PlaceItem[]) => WholeFacts | undefined
  /** The time to decide at: the database's now, as reckoned; milliseconds since the epoch. */
  readonly nowMs: () => number
  /** The reading of the monotonic clock before facts are asked for, for `learn`. */
  readonly startTimer: () => number
  /** Remembers what the database just said, asked at `beganMs`; forgets what is no longer for sale. */
  readonly learn: (told: Facts, beganMs: number) => void
  /** Tells whether a batch that was decided on it was written: after failures in a row it is used less. */
  readonly judge: (wasWritten: boolean) => void
}

type Remembered = {
  readonly product: CatalogPrice
  /** Free units by location. Never changed: each batch takes from a copy. */
  readonly free: Map<string, number>
  readonly atMs: number
}

/** SKUs that are remembered, under a kilobyte each with a few locations. */
const SKUS_MAX = 10_000
/** Units are looked at anew after so long, so that an order leaves from where the stock lies now. */
const FRESH_MS = 10_000
/**
 * Units for each that a batch takes, where it takes them: three batches of this process may be under way, and
 * some of others. Where they took more, the transaction fails and the batch asks.
 */
const PLENTY = 8
/** After failures in a row 1, 2, 4, … batches ask, so that whoever repeats old keys does not double the work. */
const PAUSE_MAX = 64

/**
 * Optimistic concurrency: a batch is decided upon cached reads, and the transaction that writes it validates
 * them. A memory that is wrong costs a transaction that is rolled back; who asks then puts it right.
 */
export function placingMemory(clock: Clock): PlacingMemory {
  const known = new Map<string, Remembered>()
  let ruled: { readonly rules: RuleSet; readonly atMs: number } | undefined
  let pause = 0
  let nextPause = 1
  /** The database's time less the monotonic clock of this process, in milliseconds. */
  let offsetMs = Number.NaN

  const keep = (
    product: CatalogPrice,
    { free, quarantined }: SellableStock,
    atMs: number,
  ): void => {
    const { sku } = product
    const units = free.get(sku)
    // Batches overlap: an answer that was asked for later may be here already.
    if ((known.get(sku)?.atMs ?? atMs) > atMs) return
    known.delete(sku)
    if (!product.isActive || !units || quarantined.has(sku)) return
    const oldest = known.size >= SKUS_MAX ? known.keys().next().value : undefined
    if (oldest !== undefined) known.delete(oldest)
    known.set(sku, { product, free: new Map(units), atMs })
  }
  // The time was read between question and answer, however far apart they are: the offset stays as it is
  // where that allows it, and begins where it is never ahead of the database.
  const setOffset = (toldMs: number, beganMs: number): void => {
    const [least, most] = [toldMs - clock.monotonicMs(), toldMs - beganMs]
    offsetMs = Number.isNaN(offsetMs) ? least : Math.min(Math.max(offsetMs, least), most)
  }

  return {
    nowMs: () => Math.floor(clock.monotonicMs() + offsetMs),
    startTimer: () => clock.monotonicMs(),
    factsFor: (items) => {
      if (!ruled || !items.every(isPlain)) return undefined
      if (pause > 0) {
        pause -= 1
        return undefined
      }
      const freshMs = clock.monotonicMs() - FRESH_MS
      const remembered = new Map<string, Remembered>()
      for (const sku of skusOf(items)) {
        const found = known.get(sku)
        if (!found || found.atMs < freshMs) return undefined
        remembered.set(sku, found)
      }
      if (!items.every((item) => isInCurrency(item, remembered))) return undefined
      const free = new Map([...remembered].map(([sku, one]) => [sku, one.free] as const))
      if (!takesFromPlenty(items, free)) return undefined
      return {
        products: [...remembered.values()].map(({ product }) => product),
        rules: ruled.rules,
        stock: { free, quarantined: new Set() },
      }
    },
    learn: (told, beganMs) => {
      setOffset(told.rules.now_ms, beganMs)
      if (!ruled || ruled.atMs <= beganMs) ruled = { rules: told.rules, atMs: beganMs }
      if (told.stock) for (const product of told.products) keep(product, told.stock, beganMs)
    },
    judge: (wasWritten) => {
      pause = wasWritten ? 0 : nextPause
      nextPause = wasWritten ? 1 : Math.min(2 * nextPause, PAUSE_MAX)
    },
  }
}

// A reference may have been sent before, as a file that is imported again; a checkout gives back first. What
// is too large is refused, and nobody is refused on a memory.
function isPlain({ reference, request, isKnown }: PlaceItem): boolean {
  const mayBeNew = reference === null && !request.checkoutId && !isKnown
  return mayBeNew && checkOrderSize(request.input.lines).ok
}

function isInCurrency(
  { request }: PlaceItem,
  remembered: ReadonlyMap<string, Remembered>,
): boolean {
  const { currency, lines } = request.input
  return lines.every((line) => remembered.get(line.sku)?.product.currency === currency)
}

// Allocates as the batch will, on a copy: a few units at some other location are no reason to ask.
function takesFromPlenty(items: readonly PlaceItem[], free: SellableStock['free']): boolean {
  const left = copyFree(free)
  for (const { request } of items) {
    const lines = request.input.lines.map(({ sku, qty }, at) => ({ lineNo: at + 1, sku, qty }))
    if (allocate(lines, left, true).kind !== 'allocated') return false
  }
  return [...free].every(([sku, units]) =>
    [...units].every(([location, had]) => {
      const taken = had - (left.get(sku)?.get(location) ?? 0)
      return taken * PLENTY <= had
    }),
  )
}

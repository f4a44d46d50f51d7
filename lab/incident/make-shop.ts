import { seededRandom } from '#kernel/index.ts'
import type { Random } from '#kernel/index.ts'
import { WATCHED_SKU } from './parameters.ts'
import type { Parameters } from './parameters.ts'

/** An order of the scenario, the same in both worlds. */
export type ShopOrder = {
  /** From 1, in the order of placing. */
  readonly number: number
  readonly reference: string
  readonly customer: string
  readonly country: string
  readonly lines: readonly { readonly sku: string; readonly qty: number }[]
  readonly goodsMinor: number
}

/** A product with its opening stock in units, the same in both worlds; the price in pence. */
export type ShopProduct = {
  readonly sku: string
  readonly priceMinor: number
  readonly units: number
}

/** What both worlds sell and are asked for. */
export type Shop = {
  readonly orders: readonly ShopOrder[]
  readonly products: readonly ShopProduct[]
}

const DEPARTMENTS = ['ELEC', 'HOME', 'TOYS', 'SPRT'] as const
const WATCHED_PRICE_MINOR = 29_900

/** Makes the shop of a seed. Pure: the same seed and parameters give the same shop on every machine. */
export function makeShop(parameters: Parameters, seed: number): Shop {
  const random = seededRandom(seed)
  const names = Array.from({ length: parameters.skus }, (_, index) => skuAt(index))
  const prices = new Map(names.map((sku) => [sku, 200 + Math.floor(random() * 900)]))
  prices.set(WATCHED_SKU, WATCHED_PRICE_MINOR)
  const held = pick(parameters.orders, Math.round(parameters.orders * parameters.heldShare), random)
  const orders = Array.from({ length: parameters.orders }, (_, index): ShopOrder => {
    const lines = basket(parameters, names, random)
    return {
      number: index + 1,
      reference: `LAB-${seed}-${String(index + 1).padStart(5, '0')}`,
      customer: `c-${Math.floor(random() * 5_000)}`,
      // The rules hold what goes abroad; everything else is worth too little to be held.
      country: held.has(index) ? 'FR' : 'GB',
      lines,
      goodsMinor: lines.reduce((sum, { sku, qty }) => sum + qty * (prices.get(sku) ?? 0), 0),
    }
  })
  const ordered = unitsBySku(orders)
  const products = [...prices].map(([sku, priceMinor]) => ({
    sku,
    priceMinor,
    units:
      (ordered.get(sku) ?? 0) +
      (sku === WATCHED_SKU ? parameters.watchedSlackUnits : parameters.slackUnits),
  }))
  return { orders, products }
}

/** Units of each SKU over some orders. */
export function unitsBySku(orders: readonly Pick<ShopOrder, 'lines'>[]): Map<string, number> {
  const units = new Map<string, number>()
  for (const { lines } of orders) {
    for (const { sku, qty } of lines) units.set(sku, (units.get(sku) ?? 0) + qty)
  }
  return units
}

/** So many different places out of `0…size-1`. */
export function pick(size: number, count: number, random: Random): ReadonlySet<number> {
  const places = Array.from({ length: size }, (_, index) => index)
  const picked = new Set<number>()
  for (let at = 0; at < Math.min(count, size); at += 1) {
    const other = at + Math.floor(random() * (size - at))
    const [here = 0, there = 0] = [places[at], places[other]]
    places[at] = there
    places[other] = here
    picked.add(there)
  }
  return picked
}

function basket(
  parameters: Parameters,
  names: readonly string[],
  random: Random,
): ShopOrder['lines'] {
  const chosen = new Set<string>()
  while (chosen.size < parameters.linesPerOrder) {
    chosen.add(names[Math.floor(random() * names.length)] ?? '')
  }
  const lines = [...chosen].map((sku) => ({ sku, qty: 1 + Math.floor(random() * 2) }))
  return random() < parameters.watchedShare ? [...lines, { sku: WATCHED_SKU, qty: 1 }] : lines
}

function skuAt(index: number): string {
  return `${DEPARTMENTS[index % DEPARTMENTS.length]}-${String(index + 1).padStart(4, '0')}`
}

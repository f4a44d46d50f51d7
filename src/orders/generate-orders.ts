import { seededRandom } from '#kernel/index.ts'
import type { Random } from '#kernel/index.ts'
import { generatedProducts } from './generated-products.ts'
import type { GeneratedProduct, GeneratedProducts } from './generated-products.ts'
import {
  COUNTRIES,
  CUSTOMER_LINES,
  GUEST_LINES,
  HOURS,
  LINE_SPREAD,
  LINE_VALUES,
  ORDERS_A_DAY,
  quantile,
} from './shop-statistics.ts'

/** An order in the format of `holdfast import orders`; money in minor units, time ISO 8601 UTC. */
export type GeneratedOrder = {
  readonly order_id: string
  readonly placed_at: string
  /** Null is a guest. */
  readonly customer: string | null
  /** ISO 3166-1 alpha-2; null where the source's name is no country. */
  readonly country: string | null
  readonly country_name: string
  readonly currency: 'GBP'
  readonly lines: readonly GeneratedLine[]
  /** Sum of quantity times price over the lines. */
  readonly goods_minor: number
}

/** One line of a generated order. */
export type GeneratedLine = {
  readonly sku: string
  readonly qty: number
  readonly unit_price_minor: number
}

/** Which shop and how much of it; `skus` as given to `generateCatalog`, 3,522 by default. */
export type GeneratedShop = {
  readonly seed: number
  readonly count: number
  readonly skus?: number
}

const GUEST_SHARE = 0.085
const REPEATED_SKU_SHARE = 0.123
const CUSTOMERS = 3_314
const LINE_QUANTITY_MAX = 4_800
const CARTON_UNITS = 144
const BULK_SHARE = 0.22
const FIRST_DAY_MS = Date.UTC(2010, 11, 1)
const DAY_MS = 86_400_000
const ORDERS_OF_ALL_COUNTRIES = COUNTRIES.reduce((sum, [, , orders]) => sum + orders, 0)

/**
 * The orders of a synthetic shop with the statistics of the real data, sorted by `placed_at`. The
 * same seed gives the same orders on every machine, and a larger count only adds to their end.
 */
export function* generateOrders({ seed, count, skus }: GeneratedShop): Generator<GeneratedOrder> {
  const random = seededRandom(seed)
  const products = generatedProducts(seed, skus)
  let number = 0
  for (let dayMs = FIRST_DAY_MS; number < count; dayMs += DAY_MS) {
    if (new Date(dayMs).getUTCDay() === 6) continue // The shop rests on Saturdays.
    for (const placedMs of momentsOf(dayMs, random)) {
      number += 1
      if (number > count) return
      yield orderOf(`G${seed}-${String(number).padStart(8, '0')}`, placedMs, products, random)
    }
  }
}

function momentsOf(dayMs: number, random: Random): readonly number[] {
  const orders = Math.round(quantile(ORDERS_A_DAY, random()))
  const minutes = Array.from({ length: orders }, () => Math.floor(quantile(HOURS, random()) * 60))
  return minutes.toSorted((a, b) => a - b).map((minute) => dayMs + minute * 60_000)
}

function orderOf(
  orderId: string,
  placedMs: number,
  products: GeneratedProducts,
  random: Random,
): GeneratedOrder {
  const isGuest = random() < GUEST_SHARE
  const country = countryAt(random())
  const lineCount = Math.ceil(quantile(isGuest ? GUEST_LINES : CUSTOMER_LINES, random()))
  const home = country.code === 'GB' ? 'home' : 'abroad'
  const aimMinor = lineValueOf(isGuest ? 'guest' : home, lineCount, random)
  const lines = basketOf(Math.max(1, lineCount), products, random).map((product) => ({
    sku: product.sku,
    qty: quantityOf(aimMinor * quantile(LINE_SPREAD, random()), product, random),
    unit_price_minor: product.priceMinor,
  }))
  return {
    order_id: orderId,
    placed_at: new Date(placedMs).toISOString().replace('.000Z', 'Z'),
    customer: isGuest ? null : customerOf(country.index, random),
    country: country.code,
    country_name: country.name,
    currency: 'GBP',
    lines,
    goods_minor: lines.reduce((sum, line) => sum + line.qty * line.unit_price_minor, 0),
  }
}

function countryAt(share: number) {
  let left = share * ORDERS_OF_ALL_COUNTRIES
  for (const [index, [name, code, weight]] of COUNTRIES.entries()) {
    if (left < weight) return { index, name, code }
    left -= weight
  }
  return { index: 0, name: COUNTRIES[0][0], code: COUNTRIES[0][1] }
}

// Customers of a country are its own; half of its orders come from a quarter of them.
function customerOf(countryIndex: number, random: Random): string {
  const share = (COUNTRIES[countryIndex]?.[2] ?? 0) / ORDERS_OF_ALL_COUNTRIES
  const drawn = random()
  const number = Math.floor(drawn * drawn * Math.max(1, share * CUSTOMERS))
  return String(10_000 + countryIndex * 10_000 + number)
}

function lineValueOf(buyer: 'guest' | 'home' | 'abroad', lines: number, random: Random): number {
  const known = LINE_VALUES.find((one) => one.buyer === buyer && lines <= one.linesMax)
  return quantile(known?.values ?? [], random())
}

// Most orders name each SKU once; where one is named again, it is by a line of its own.
function basketOf(count: number, products: GeneratedProducts, random: Random): GeneratedProduct[] {
  const basket = new Set<GeneratedProduct>()
  const distinct = count > 1 && random() < REPEATED_SKU_SHARE ? count - 1 : count
  for (let tries = 0; basket.size < distinct && tries < distinct * 20; tries += 1) {
    basket.add(products.draw(random))
  }
  const lines = [...basket]
  while (lines.length < count) {
    const again = lines[Math.floor(random() * basket.size)]
    if (again) lines.push(again)
  }
  return lines
}

// Above a dozen, goods go by the dozen; few lines of even the largest buyers exceed a carton.
function quantityOf(valueMinor: number, product: GeneratedProduct, random: Random): number {
  const units = Math.max(1, Math.round(valueMinor / product.priceMinor))
  const isBulk = random() < BULK_SHARE
  if (units <= 12) return units
  return Math.round(Math.min(isBulk ? LINE_QUANTITY_MAX : CARTON_UNITS, units) / 12) * 12
}

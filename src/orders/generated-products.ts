import { seededRandom } from '#kernel/index.ts'
import type { Random } from '#kernel/index.ts'
import { LINE_SHARES_BY_RANK, PRICES, quantile } from './shop-statistics.ts'

/** A product of the generated shop; `priceMinor` in minor units of GBP. */
export type GeneratedProduct = {
  readonly sku: string
  readonly title: string
  readonly priceMinor: number
}

/** The products by falling demand, and a draw among them by their demand. */
export type GeneratedProducts = {
  readonly ranked: readonly GeneratedProduct[]
  readonly draw: (random: Random) => GeneratedProduct
}

/** How many products the real shop had. */
export const SKUS_DEFAULT = 3_522

const COLORS = [
  'Red',
  'Blue',
  'Ivory',
  'Pink',
  'Green',
  'Silver',
  'Vintage',
  'Paisley',
  'Retrospot',
]
const THINGS = ['Lantern', 'Teapot', 'Bunting', 'Cake Stand', 'Mug', 'Clock', 'Candle', 'Lunch Bag']
const FORMS = ['Small', 'Large', 'Set of 3', 'Wooden', 'Hanging', 'Glass', 'Paper']

/** The same products for the same seed; codes tell nothing of the demand. */
export function generatedProducts(seed: number, skus: number = SKUS_DEFAULT): GeneratedProducts {
  const random = seededRandom(seed ^ 0x5ca1ab1e)
  const numbers = shuffled(skus, random)
  const ranked = numbers.map((number): GeneratedProduct => ({
    sku: `${20_000 + number}${number % 6 === 0 ? 'ABCDE'.charAt((number / 6) % 5) : ''}`,
    title: `${pick(FORMS, random)} ${pick(COLORS, random)} ${pick(THINGS, random)}`,
    priceMinor: Math.round(quantile(PRICES, random())),
  }))
  const upTo = cumulativeDemand(skus)
  const total = upTo[skus - 1] ?? 0
  return { ranked, draw: (own) => productAt(ranked, firstAbove(upTo, own() * total)) }
}

function shuffled(count: number, random: Random): number[] {
  const numbers = Array.from({ length: count }, (_, index) => index)
  for (let last = count - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1))
    const held = numbers[last] ?? 0
    numbers[last] = numbers[other] ?? 0
    numbers[other] = held
  }
  return numbers
}

function pick(words: readonly string[], random: Random): string {
  return words[Math.floor(random() * words.length)] ?? ''
}

// A shop of another size keeps the shape: rank r of n has the demand of rank r * 3522 / n.
function cumulativeDemand(skus: number): Float64Array {
  const upTo = new Float64Array(skus)
  let total = 0
  for (let index = 0; index < skus; index += 1) {
    total += demand(1 + (index * (SKUS_DEFAULT - 1)) / Math.max(1, skus - 1))
    upTo[index] = total
  }
  return upTo
}

function demand(rank: number): number {
  let [lowRank, low]: readonly [number, number] = LINE_SHARES_BY_RANK[0]
  for (const [highRank, high] of LINE_SHARES_BY_RANK) {
    if (rank <= highRank) {
      return highRank === lowRank
        ? high
        : low + ((high - low) * (rank - lowRank)) / (highRank - lowRank)
    }
    lowRank = highRank
    low = high
  }
  return low
}

function firstAbove(upTo: Float64Array, at: number): number {
  let low = 0
  let high = upTo.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if ((upTo[middle] ?? 0) > at) high = middle
    else low = middle + 1
  }
  return low
}

function productAt(ranked: readonly GeneratedProduct[], index: number): GeneratedProduct {
  return ranked[index] ?? { sku: '20000', title: 'Lantern', priceMinor: 195 }
}

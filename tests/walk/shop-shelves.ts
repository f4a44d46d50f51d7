import { invariant } from '#kernel/index.ts'
import type { WalkWorld } from './walk-world.ts'

/** The locations of the three sample partners. */
export const LOCATIONS = ['loc-shipco', 'loc-fastfreight', 'loc-packlogic'] as const
const UNITS = 4
const DOCUMENT_LINES = 500

/** The SKU that the order of this number alone has. */
export const skuOf = (tag: number): string => `WALK-${String(tag).padStart(6, '0')}`

/** Puts so many SKUs into the catalog, each on the shelf of one partner in turn. */
export async function stockShelves(world: WalkWorld, skus: number): Promise<void> {
  for (let from = 1; from <= skus; from += DOCUMENT_LINES) {
    const tags = Array.from(
      { length: Math.min(DOCUMENT_LINES, skus - from + 1) },
      (_, i) => from + i,
    )
    const products = tags.map((tag) => ({
      sku: skuOf(tag),
      title: `Thing of walk ${tag}`,
      price: { amount: 1_000 + (tag % 50), currency: 'GBP' },
    }))
    await done(world, '/admin/products', { products })
    const lines = tags.map((tag) => ({
      sku: skuOf(tag),
      location: LOCATIONS[tag % LOCATIONS.length],
      quantity: UNITS,
    }))
    await done(world, '/admin/adjustments', { id: `walk-shelf-${from}`, kind: 'receive', lines })
  }
}

async function done(world: WalkWorld, path: string, body: unknown): Promise<void> {
  const answer = await world.call('POST', path, { as: 'admin', body })
  invariant(answer.status < 300, `${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
}

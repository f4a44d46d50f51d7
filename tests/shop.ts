import { systemClock } from '#kernel/index.ts'
import { withTransaction } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { upsertProducts } from '#catalog/index.ts'
import { fixedFlags } from '#flags/index.ts'
import type { FlagKey, FlagReader } from '#flags/index.ts'
import { addLocation, recordStock } from '#inventory/index.ts'
import { orderPlacing } from '#orders/index.ts'
import type { OrderInput, OrderPlacing, PlaceRequest } from '#orders/index.ts'
import { reviewKeys } from '#wire/index.ts'
import type { ReviewKeys } from '#wire/index.ts'

/** The master key of every test; nothing real was ever sealed with it. */
export const TEST_MASTER_KEY = Buffer.alloc(32, 7)
export const testReviewKeys: ReviewKeys = reviewKeys(TEST_MASTER_KEY)

/** Flags at their initial values, with what a test switches. */
export function testFlags(switched: Partial<Record<FlagKey, boolean>> = {}): FlagReader {
  return fixedFlags(switched)
}

/** Opens the placing lane over a test context. */
export function testPlacing(context: Context, flags: FlagReader = testFlags()): OrderPlacing {
  return orderPlacing({ context, flags, reviewKey: testReviewKeys.signing })
}

/** Gives a merchant locations, products at 5.00 GBP each and opening stock at the first location. */
export async function stockShop(
  context: Context,
  stock: Readonly<Record<string, number>>,
  locations: readonly string[] = ['loc-shipco'],
): Promise<void> {
  const { merchant } = context
  await withTransaction(context.database, async (tx) => {
    for (const id of locations) await addLocation(tx, merchant, { id, name: id })
    const rows = Object.keys(stock).map((sku) => ({
      sku,
      title: sku,
      priceMinor: 500,
      currency: 'GBP',
    }))
    await upsertProducts(tx, merchant, rows)
    const lines = Object.entries(stock)
      .filter(([, quantity]) => quantity > 0)
      .map(([sku, quantity]) => ({ sku, quantity, locationId: locations[0] ?? '' }))
    const id = `stock-${systemClock.nowMs()}-${Math.random()}`
    if (lines.length > 0) await recordStock(tx, merchant, { id, kind: 'receive', lines }, 'test')
  })
}

/** A home order that the rules clear. */
export function anOrder(changes: Partial<OrderInput> = {}): OrderInput {
  return {
    currency: 'GBP',
    country: 'GB',
    customer: 'c-1',
    lines: [{ sku: 'A', qty: 1 }],
    ...changes,
  }
}

/** A request of a trusted caller. */
export function aRequest(
  input: OrderInput = anOrder(),
  changes: Partial<PlaceRequest> = {},
): PlaceRequest {
  return { input, source: 'http', isTrusted: true, submittedHold: false, ...changes }
}

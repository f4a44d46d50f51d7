import { orThrow } from '#kernel/index.ts'
import { transact, withTransaction } from '#platform/index.ts'
import { upsertProducts } from '#catalog/index.ts'
import { recordStock } from '#inventory/index.ts'
import type { OrderInput } from '#orders/index.ts'
import type { Installation } from './installation.ts'
import { SAMPLE_ACTOR } from './sample-registrations.ts'

const THINGS = ['Lantern', 'Teapot', 'Doormat', 'Bunting', 'Cake tin', 'Mug', 'Clock', 'Candle']
const KINDS = ['red', 'blue', 'paisley', 'vintage', 'wicker']
const ORDERS = 60
const OPENING_UNITS = 300

/** The sample products: 40 giftware SKUs, prices 1.25 to 21.00 GBP. */
function sampleProducts() {
  return THINGS.flatMap((thing, row) =>
    KINDS.map((kind, column) => ({
      sku: `SAMPLE-${thing}-${kind}`.toUpperCase().replaceAll(' ', '-'),
      title: `${thing}, ${kind}`,
      priceMinor: 125 + (((row * 5 + column) * 53) % 1_975),
      currency: 'GBP',
    })),
  )
}

// Fixed, so that starting again places nothing twice: every ninth order goes abroad and is held,
// every eleventh is a guest's large one.
function sampleOrder(number: number, skus: readonly string[]): OrderInput {
  const lines = Array.from({ length: 1 + (number % 4) }, (_, index) => ({
    sku: skus[(number * 7 + index * 3) % skus.length] ?? '',
    qty: 1 + ((number + index) % 3) + (number % 11 === 0 ? 30 : 0),
  }))
  return {
    order_id: `SAMPLE-${String(number).padStart(4, '0')}`,
    customer: number % 11 === 0 ? null : `C${1_000 + (number % 17)}`,
    country: number % 9 === 0 ? 'FR' : 'GB',
    currency: 'GBP',
    lines,
    ship_to: {
      name: 'Sample Buyer',
      street: `${number} High Street`,
      city: 'London',
      postal_code: 'N1 1AA',
    },
  }
}

/**
 * Puts the sample catalog, its opening stock and sample orders in place; doing it again changes
 * nothing. Stock lies at `locations`, those of the sample partners: no other place is touched.
 */
export async function openSampleShop(
  installation: Installation,
  locations: readonly string[],
): Promise<void> {
  const { database, merchant } = installation.context
  const products = sampleProducts()
  await withTransaction(database, (tx) => upsertProducts(tx, merchant, products))
  const lines = products.flatMap(({ sku }) =>
    locations.map((locationId) => ({ sku, locationId, quantity: OPENING_UNITS })),
  )
  const opened = await transact(database, (tx) =>
    recordStock(tx, merchant, { id: 'sample-opening-stock', kind: 'receive', lines }, SAMPLE_ACTOR),
  )
  // Earlier builds opened stock at every location that there was. What was recorded then stands.
  if (!opened.ok && opened.refusal.code !== 'adjustment_conflict') orThrow(opened)
  const skus = products.map(({ sku }) => sku)
  await Promise.all(
    Array.from({ length: ORDERS }, (_, index) =>
      installation.placing.place({
        input: sampleOrder(index + 1, skus),
        source: 'import',
        isTrusted: true,
        submittedHold: false,
      }),
    ),
  )
}

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { invariant, orThrow } from '#kernel/index.ts'
import { withTransaction } from '#platform/index.ts'
import { openOutbound } from '#platform/outbound/index.ts'
import { probePartner } from '#fulfillment/index.ts'
import { addLocation, importCatalog } from '#inventory/index.ts'
import { importOrders } from '#orders/index.ts'
import { partnerSecrets, registerPartner } from '#partners/index.ts'
import type { Installation } from '#roles/index.ts'
import type { Shop } from '../incident/make-shop.ts'
import type { LabPartner } from '../partners/start-partners.ts'

const ACTOR = 'service:lab'

/** Registers the partners with their warehouses and measures their grades, as an operator does. */
export async function registerPartners(
  { context, masterKey }: Installation,
  partners: readonly LabPartner[],
): Promise<void> {
  const outbound = openOutbound()
  try {
    for (const { id, name, url, secrets } of partners) {
      await withTransaction(context.database, (tx) =>
        addLocation(tx, context.merchant, { id: `loc-${id}`, name }),
      )
      const partner = { id, name, url, secrets, allowPrivate: true, actor: ACTOR }
      orThrow(await registerPartner(context, masterKey, partner))
      const deps = { context, secrets: partnerSecrets(context, masterKey), outbound }
      orThrow(await probePartner(deps, { partner: id, cause: 'start', actor: ACTOR }))
    }
  } finally {
    await outbound.close()
  }
}

/** Imports the catalog with its opening stock, then the orders, from files as a shop brings them. */
export async function importShop(
  { context, placing }: Installation,
  shop: Shop,
  folder: string,
): Promise<void> {
  const catalog = join(folder, 'catalog.csv')
  const rows = shop.products.map(
    ({ sku, priceMinor, units }) => `${sku},${sku},${priceMinor},${units}`,
  )
  await writeFile(catalog, ['sku,title,price_minor,units', ...rows, ''].join('\n'))
  const stocked = orThrow(await importCatalog(context, catalog, { actor: ACTOR, withStock: true }))
  invariant(stocked.kind === 'applied', 'the catalog has no bad row')
  const file = join(folder, 'orders.ndjson')
  await writeFile(file, shop.orders.map((order) => `${JSON.stringify(lineOf(order))}\n`).join(''))
  const placed = await importOrders(placing, file)
  invariant(placed.placed === shop.orders.length, 'every order of the scenario is placed')
}

function lineOf(order: Shop['orders'][number]) {
  return {
    order_id: order.reference,
    customer: order.customer,
    country: order.country,
    currency: 'GBP',
    lines: order.lines,
    ship_to: { name: 'Lab Buyer', street: `${order.number} High Street`, city: 'London' },
  }
}

import { orThrow } from '#kernel/index.ts'
import { closeDatabase, openDatabase, transact, withTransaction } from '#platform/index.ts'
import { upsertProducts } from '#catalog/index.ts'
import { addLocation, recordStock } from '#inventory/index.ts'

/** Stocks our side through the product's own verbs: one location, products at 5.00 GBP. */
export async function stockOurs(url: string, stock: ReadonlyMap<string, number>): Promise<void> {
  const database = openDatabase(url, { connectionsMax: 1 })
  try {
    const rows = [...stock.keys()].map((sku) => ({
      sku,
      title: `Product ${sku}`,
      priceMinor: 500,
      currency: 'GBP',
    }))
    const lines = [...stock].map(([sku, quantity]) => ({ sku, locationId: 'loc-a', quantity }))
    await withTransaction(database, async (tx) => {
      await addLocation(tx, 'main', { id: 'loc-a', name: 'A' })
      await upsertProducts(tx, 'main', rows)
    })
    orThrow(
      await transact(database, (tx) =>
        recordStock(tx, 'main', { id: 'bench', kind: 'receive', lines }, 'bench'),
      ),
    )
  } finally {
    await closeDatabase(database)
  }
}

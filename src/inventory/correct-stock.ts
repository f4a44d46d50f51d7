import { change, many, statement } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import { sha256 } from '#kernel/index.ts'
import { applyMovements } from './move-stock.ts'
import { ensureStockRows, lockStock } from './stock-statements.ts'

/** A difference between what was counted and the book of that moment; its id counts once. */
export type StockCorrection = {
  readonly id: string
  readonly sku: string
  readonly locationId: string
  /** Signed, not 0. */
  readonly difference: number
}

const insertCorrections = statement({
  name: 'inventory.insert_corrections',
  params: {
    merchant: 'text',
    ids: 'text[]',
    contents: 'bytea[]',
    actor: 'text',
    note: 'text',
  },
  row: { id: 'text' },
  text: `
    insert into inventory.adjustment (merchant_id, id, kind, content_sha256, actor, note)
    select $merchant, d.id, 'count', d.content, $actor, $note
      from (select unnest($ids) as id, unnest($contents) as content) as d
     order by d.id
        on conflict do nothing
    returning id`,
})

/**
 * Moves the book by the differences of a count, with a `count` movement each; an id that was booked
 * before moves nothing. A physical fact is never refused: a book below zero is quarantined and told.
 */
export async function correctStock(
  tx: Transaction,
  merchant: string,
  corrections: readonly StockCorrection[],
  by: { readonly actor: string; readonly note: string },
): Promise<{ readonly booked: number; readonly negativeSkus: readonly string[] }> {
  if (corrections.length === 0) return { booked: 0, negativeSkus: [] }
  const inserted = await many(tx, insertCorrections, {
    merchant,
    ...by,
    ids: corrections.map((one) => one.id),
    contents: corrections.map(({ sku, locationId, difference }) =>
      sha256(JSON.stringify(['correction', sku, locationId, difference])),
    ),
  })
  const ids = new Set(inserted.map((row) => row.id))
  const fresh = corrections.filter((one) => ids.has(one.id))
  const skus = fresh.map((one) => one.sku)
  const locations = fresh.map((one) => one.locationId)
  await change(tx, ensureStockRows, { merchant, skus, locations })
  await many(tx, lockStock, { merchant, skus: [...new Set(skus)].toSorted() })
  const { negativeSkus } = await applyMovements(
    tx,
    merchant,
    fresh.map((one) => ({
      subjectId: one.id,
      sourceId: one.id,
      lineNo: 1,
      locationId: one.locationId,
      sku: one.sku,
      kind: 'count',
      onHand: one.difference,
      reserved: 0,
    })),
  )
  return { booked: fresh.length, negativeSkus }
}

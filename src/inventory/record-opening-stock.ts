import { accept, bytesEqual, canonicalJson, refuse, sha256 } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { appendAudit, appendEvents, change, many, statement } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import { selectLocations } from './location.ts'
import { applyMovements } from './move-stock.ts'
import { ensureStockRows, lockStock } from './stock-statements.ts'

/** How many units of a SKU the shop opens with, over all locations. */
export type OpeningStock = { readonly sku: string; readonly units: number }

/** How many SKUs got their opening stock now, and how many had it before. */
export type RecordedOpening = { readonly recorded: number; readonly known: number }

const insertOpenings = statement({
  name: 'inventory.insert_openings',
  params: { merchant: 'text', ids: 'text[]', contents: 'bytea[]', actor: 'text' },
  row: { id: 'text' },
  text: `
    insert into inventory.adjustment (merchant_id, id, kind, content_sha256, actor, note)
    select $merchant, d.id, 'receive', d.content, $actor, 'opening stock'
      from (select unnest($ids) as id, unnest($contents) as content) as d
     order by d.id
    on conflict do nothing
    returning id`,
})

const selectContents = statement({
  name: 'inventory.select_contents',
  params: { merchant: 'text', ids: 'text[]' },
  row: { id: 'text', content_sha256: 'bytea' },
  text: `
    select id, content_sha256 from inventory.adjustment
     where merchant_id = $merchant and id = any($ids)`,
})

/** SKUs a statement: 3 locations make of them about the 6,000 rows that one order batch has. */
const CHUNK_SKUS = 2_000

/**
 * Receives the opening stock of many SKUs set-based, once: the document of a SKU is `opening:<sku>`.
 * Units are split evenly over the locations, the rest lies at the first. Refuses `location_unknown`
 * where there is none, and `adjustment_conflict` where a SKU was opened with another number.
 */
export async function recordOpeningStock(
  tx: Transaction,
  merchant: string,
  rows: readonly OpeningStock[],
  actor: string,
): Promise<Outcome<RecordedOpening>> {
  const opening = rows.filter((row) => row.units > 0).toSorted(bySku)
  if (opening.length === 0) return accept({ recorded: 0, known: 0 })
  const locations = (await many(tx, selectLocations, { merchant })).map((row) => row.id)
  if (locations.length === 0) {
    return refuse('location_unknown', 'There is no place for stock yet: add a partner first.')
  }
  let recorded = 0
  for (let start = 0; start < opening.length; start += CHUNK_SKUS) {
    const chunk = opening.slice(start, start + CHUNK_SKUS)
    const fresh = await claimOpenings(tx, merchant, chunk, actor)
    if (!fresh.ok) return fresh
    await receive(tx, merchant, fresh.value, locations)
    recorded += fresh.value.length
  }
  if (recorded > 0) {
    await appendAudit(tx, merchant, {
      actor,
      action: 'inventory.open',
      subjectId: 'opening',
      after: { skus: recorded, locations },
    })
  }
  return accept({ recorded, known: opening.length - recorded })
}

async function claimOpenings(
  tx: Transaction,
  merchant: string,
  rows: readonly OpeningStock[],
  actor: string,
): Promise<Outcome<readonly OpeningStock[]>> {
  const ids = rows.map((row) => documentId(row.sku))
  const contents = rows.map(contentOf)
  const inserted = await many(tx, insertOpenings, { merchant, ids, contents, actor })
  const fresh = new Set(inserted.map((row) => row.id))
  if (fresh.size === rows.length) return accept(rows)
  const known = rows.filter((row) => !fresh.has(documentId(row.sku)))
  const before = await many(tx, selectContents, {
    merchant,
    ids: known.map((row) => documentId(row.sku)),
  })
  const contentById = new Map(before.map((row) => [row.id, row.content_sha256]))
  for (const row of known) {
    const content = contentById.get(documentId(row.sku))
    if (content && bytesEqual(content, contentOf(row))) continue
    return refuse(
      'adjustment_conflict',
      `${row.sku} was opened with another number of units: record a count instead.`,
      { field: 'units', meta: { sku: row.sku } },
    )
  }
  return accept(rows.filter((row) => fresh.has(documentId(row.sku))))
}

async function receive(
  tx: Transaction,
  merchant: string,
  rows: readonly OpeningStock[],
  locations: readonly string[],
): Promise<void> {
  const movements = rows.flatMap((row) =>
    splitEvenly(row.units, locations).map((part, index) => ({
      subjectId: documentId(row.sku),
      sourceId: documentId(row.sku),
      lineNo: index + 1,
      locationId: part.locationId,
      sku: row.sku,
      kind: 'receive' as const,
      onHand: part.units,
      reserved: 0,
    })),
  )
  await change(tx, ensureStockRows, {
    merchant,
    skus: movements.map((one) => one.sku),
    locations: movements.map((one) => one.locationId),
  })
  await many(tx, lockStock, { merchant, skus: rows.map((row) => row.sku) })
  await applyMovements(tx, merchant, movements)
  await appendEvents(
    tx,
    merchant,
    rows.map((row) => ({
      subjectId: documentId(row.sku),
      kind: 'inventory.received',
      data: { sku: row.sku, units: row.units },
    })),
  )
}

/** Whole units, evenly; the first location takes the rest. Locations that get nothing are left out. */
export function splitEvenly(
  units: number,
  locations: readonly string[],
): readonly { readonly locationId: string; readonly units: number }[] {
  const each = Math.floor(units / locations.length)
  return locations
    .map((locationId, index) => ({
      locationId,
      units: index === 0 ? units - each * (locations.length - 1) : each,
    }))
    .filter((part) => part.units > 0)
}

const documentId = (sku: string): string => `opening:${sku}`

// The number of units, not their split: a location added later must not make the same file a conflict.
const contentOf = (row: OpeningStock): Buffer =>
  sha256(canonicalJson({ kind: 'opening', sku: row.sku, units: row.units }))

const bySku = (a: OpeningStock, b: OpeningStock): number => (a.sku < b.sku ? -1 : 1)

import { accept, bytesEqual, canonicalJson, refuse, sha256 } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { appendEvents, change, many, statement } from '#platform/index.ts'
import type { RowOf, Transaction } from '#platform/index.ts'
import { productsForSkus } from '#catalog/index.ts'
import { selectLocations } from './location.ts'
import { applyMovements } from './move-stock.ts'
import type { Movement } from './move-stock.ts'
import { ensureStockRows, lockStock } from './stock-statements.ts'

/** A signed change of a SKU over all locations; an id counts once for each SKU. `at` is ISO 8601. */
export type SkuAdjustment = {
  readonly id: string
  readonly at: string
  readonly sku: string
  readonly delta: number
  readonly note: string | undefined
}

/** What became of one: false where it had been recorded before. */
export type AdjustmentOutcome = Outcome<{ readonly wasNew: boolean }>

const insertAll = statement({
  name: 'inventory.insert_sku_adjustments',
  params: {
    merchant: 'text',
    ids: 'text[]',
    contents: 'bytea[]',
    actor: 'text',
    notes: 'text[]',
  },
  text: `
    insert into inventory.adjustment (merchant_id, id, kind, content_sha256, actor, note)
    select $merchant, d.id, 'adjust', d.content, $actor, nullif(d.note, '')
      from (select unnest($ids) as id, unnest($contents) as content, unnest($notes) as note) as d
     order by d.id
    on conflict do nothing`,
})

const selectKnown = statement({
  name: 'inventory.select_sku_adjustments',
  params: { merchant: 'text', ids: 'text[]' },
  row: { id: 'text', content_sha256: 'bytea' },
  text: `
    select id, content_sha256 from inventory.adjustment
     where merchant_id = $merchant and id = any($ids)`,
})

/**
 * Records changes that name no location, in the order given: units found lie at the first location,
 * units gone are taken where most are free. Refused one by one, the others stand: `sku_unknown`,
 * `stock_insufficient` where reserved units would have to go, `adjustment_conflict`.
 */
export async function recordSkuAdjustments(
  tx: Transaction,
  merchant: string,
  adjustments: readonly SkuAdjustment[],
  actor: string,
): Promise<readonly AdjustmentOutcome[]> {
  const skus = [...new Set(adjustments.map((one) => one.sku))].toSorted()
  const products = new Set((await productsForSkus(tx, merchant, skus)).map((row) => row.sku))
  const [home] = await many(tx, selectLocations, { merchant })
  if (!home) {
    const refused = refuse(
      'location_unknown',
      'There is no place for stock yet: add a partner first.',
    )
    return adjustments.map(() => refused)
  }
  const known = skus.filter((sku) => products.has(sku))
  await change(tx, ensureStockRows, { merchant, skus: known, locations: known.map(() => home.id) })
  const locked = await many(tx, lockStock, { merchant, skus: known })
  // Read under the locks: whoever records the same id now waits for the same rows.
  const ids = adjustments.map(documentId)
  const before = new Map(
    (await many(tx, selectKnown, { merchant, ids })).map((row) => [row.id, row.content_sha256]),
  )
  const book = Map.groupBy(
    locked.map((row) => Object.assign({}, row)),
    (row) => row.sku,
  )
  const movements: Movement[] = []
  const fresh: SkuAdjustment[] = []
  const outcomes = adjustments.map((one): AdjustmentOutcome => {
    const content = before.get(documentId(one))
    if (content) return recordedBefore(one, content)
    if (!products.has(one.sku)) return refuse('sku_unknown', `${one.sku} is not in the catalog.`)
    const parts = takeOrPut(one, book.get(one.sku) ?? [], home.id)
    if (!parts.ok) return parts
    before.set(documentId(one), contentOf(one))
    fresh.push(one)
    movements.push(...parts.value)
    return accept({ wasNew: true })
  })
  await write(tx, merchant, { fresh, movements, actor })
  return outcomes
}

type StockRow = {
  -readonly [K in keyof RowOf<typeof lockStock.row>]: RowOf<typeof lockStock.row>[K]
}

/** Which locations give or get the units; takes them from the rows where all of it fits. */
function takeOrPut(
  one: SkuAdjustment,
  rows: readonly StockRow[],
  home: string,
): Outcome<readonly Movement[]> {
  const free = rows.reduce((sum, row) => sum + row.available, 0)
  if (one.delta < 0 && free < -one.delta) {
    return refuse('stock_insufficient', `${one.sku} has ${free} free: record a count instead.`)
  }
  const order = rows.toSorted((a, b) => b.available - a.available)
  const movements: Movement[] = []
  let open = one.delta
  for (const row of one.delta > 0 ? rows.filter((at) => at.location_id === home) : order) {
    const units = one.delta > 0 ? open : -Math.min(row.available, -open)
    if (units === 0) continue
    // A row in shortfall gets its missing units first; what is left is free.
    const covered = Math.min(row.shortfall, Math.max(0, units))
    row.shortfall -= covered
    row.available += units - covered
    open -= units
    movements.push({
      subjectId: documentId(one),
      sourceId: documentId(one),
      lineNo: movements.length + 1,
      locationId: row.location_id,
      sku: one.sku,
      kind: 'adjust',
      onHand: units,
      reserved: 0,
    })
    if (open === 0) break
  }
  return accept(movements)
}

function recordedBefore(one: SkuAdjustment, content: Buffer): AdjustmentOutcome {
  if (bytesEqual(content, contentOf(one))) return accept({ wasNew: false })
  return refuse('adjustment_conflict', `${one.id} was recorded before with other content.`)
}

async function write(
  tx: Transaction,
  merchant: string,
  {
    fresh,
    movements,
    actor,
  }: {
    readonly fresh: readonly SkuAdjustment[]
    readonly movements: readonly Movement[]
    readonly actor: string
  },
): Promise<void> {
  if (fresh.length === 0) return
  await change(tx, insertAll, {
    merchant,
    actor,
    ids: fresh.map(documentId),
    contents: fresh.map(contentOf),
    notes: fresh.map((one) => one.note ?? ''),
  })
  await applyMovements(tx, merchant, movements)
  await appendEvents(
    tx,
    merchant,
    fresh.map((one) => ({
      subjectId: documentId(one),
      kind: 'inventory.adjusted',
      data: { sku: one.sku, delta: one.delta, at: one.at },
    })),
  )
}

const documentId = (one: SkuAdjustment): string => `adjustment:${one.id}:${one.sku}`

const contentOf = (one: SkuAdjustment): Buffer =>
  sha256(canonicalJson({ kind: 'sku-adjust', at: one.at, sku: one.sku, delta: one.delta }))

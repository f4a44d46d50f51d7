import { accept, bytesEqual, canonicalJson, refuse, sha256 } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { appendAudit, appendEvents, change, many, maybe, statement } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import { checkStockDocument } from './check-stock-document.ts'
import { applyMovements } from './move-stock.ts'
import { ensureStockRows, lockStock } from './stock-statements.ts'

/**
 * A stock document. `receive` adds units (`quantity` ≥ 1), `adjust` changes them by a signed
 * quantity that is not 0 and never takes what is reserved, `count` sets the physical book to what was counted
 * (≥ 0). At most 1,000,000,000 units a line.
 */
export type StockDocument = {
  readonly id: string
  readonly kind: 'receive' | 'adjust' | 'count'
  readonly note?: string
  readonly lines: readonly {
    readonly sku: string
    readonly locationId: string
    readonly quantity: number
  }[]
}

/** What recording it did: nothing where the same document was recorded before. */
export type RecordedStock = { readonly wasNew: boolean; readonly negativeSkus: readonly string[] }

const insertAdjustment = statement({
  name: 'inventory.insert_adjustment',
  params: {
    merchant: 'text',
    id: 'text',
    kind: 'text',
    content: 'bytea',
    actor: 'text',
    note: 'text?',
  },
  text: `
    insert into inventory.adjustment (merchant_id, id, kind, content_sha256, actor, note)
    values ($merchant, $id, $kind, $content, $actor, $note)
    on conflict do nothing`,
})

const selectAdjustment = statement({
  name: 'inventory.select_adjustment',
  params: { merchant: 'text', id: 'text' },
  row: { content_sha256: 'bytea' },
  text: `select content_sha256 from inventory.adjustment where merchant_id = $merchant and id = $id`,
})

/**
 * Records a stock document once. Refuses `adjustment_conflict` where the id was used with other
 * content, `stock_insufficient` where an adjustment would take reserved units (a count never is), and what
 * `checkStockDocument` refuses: every transport comes through here.
 */
export async function recordStock(
  tx: Transaction,
  merchant: string,
  document: StockDocument,
  actor: string,
): Promise<Outcome<RecordedStock>> {
  const checked = await checkStockDocument(tx, merchant, document)
  if (!checked.ok) return checked
  const content = sha256(
    canonicalJson({ kind: document.kind, lines: document.lines.map((line) => ({ ...line })) }),
  )
  const inserted = await change(tx, insertAdjustment, {
    merchant,
    id: document.id,
    kind: document.kind,
    content,
    actor,
    note: document.note ?? null,
  })
  if (inserted === 0) return recordedBefore(tx, merchant, document, content)
  const skus = document.lines.map((line) => line.sku)
  await change(tx, ensureStockRows, {
    merchant,
    skus,
    locations: document.lines.map((line) => line.locationId),
  })
  const locked = await many(tx, lockStock, { merchant, skus: [...new Set(skus)].toSorted() })
  const rows = new Map(locked.map((row) => [`${row.sku}\n${row.location_id}`, { ...row }]))
  const movements: { line: number; sku: string; locationId: string; delta: number }[] = []
  for (const [index, line] of document.lines.entries()) {
    const row = rows.get(`${line.sku}\n${line.locationId}`)
    const delta = document.kind === 'count' ? line.quantity - (row?.on_hand ?? 0) : line.quantity
    if (document.kind === 'adjust' && delta < 0 && (row?.available ?? 0) + delta < 0) {
      return refuse(
        'stock_insufficient',
        `${line.sku} at ${line.locationId} has ${row?.available ?? 0} free.`,
        {
          field: `lines[${index}].quantity`,
        },
      )
    }
    if (row) {
      row.on_hand += delta
      row.available += delta
    }
    movements.push({ line: index + 1, sku: line.sku, locationId: line.locationId, delta })
  }
  const { negativeSkus } = await applyMovements(
    tx,
    merchant,
    movements.map((one) => ({
      subjectId: document.id,
      sourceId: document.id,
      lineNo: one.line,
      locationId: one.locationId,
      sku: one.sku,
      kind: document.kind,
      onHand: one.delta,
      reserved: 0,
    })),
  )
  await appendEvents(tx, merchant, [
    {
      subjectId: document.id,
      kind: `inventory.${PAST[document.kind]}`,
      data: {
        lines: document.lines.length,
        skus: [...new Set(document.lines.map((line) => line.sku))].slice(0, SKUS_TOLD_MAX),
      },
    },
  ])
  await appendAudit(tx, merchant, {
    actor,
    action: `inventory.${document.kind}`,
    subjectId: document.id,
    after: { lines: document.lines.slice(0, 20), total_lines: document.lines.length },
    ...(document.note ? { reason: document.note } : {}),
  })
  return accept({ wasNew: true, negativeSkus })
}

/** An event names so many SKUs of its document. */
const SKUS_TOLD_MAX = 50

const PAST = { receive: 'received', adjust: 'adjusted', count: 'counted' } as const

async function recordedBefore(
  tx: Transaction,
  merchant: string,
  document: StockDocument,
  content: Buffer,
): Promise<Outcome<RecordedStock>> {
  const known = await maybe(tx, selectAdjustment, { merchant, id: document.id })
  if (known && bytesEqual(known.content_sha256, content))
    return accept({ wasNew: false, negativeSkus: [] })
  return refuse('adjustment_conflict', `${document.id} was recorded before with other content.`, {
    field: 'id',
  })
}

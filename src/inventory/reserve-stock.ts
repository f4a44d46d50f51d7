import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { many } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import { ORDER_PARTS_MAX } from '#wire/index.ts'
import { allocate } from './allocate.ts'
import type { Allocation, DemandLine, FreeStock } from './allocate.ts'
import { lockStock, takeStock } from './stock-statements.ts'

/** What one order or checkout asks for. */
export type ReserveRequest = {
  readonly subjectId: string
  readonly lines: readonly DemandLine[]
  readonly maySplit: boolean
}

/** What is free of each SKU, and which are withdrawn from sale: read under lock, or remembered. */
export type SellableStock = { readonly free: FreeStock; readonly quarantined: ReadonlySet<string> }

/** An answer to each request in order, and the write that backs the accepted ones. */
export type Reserved = {
  readonly answers: readonly Outcome<readonly Allocation[]>[]
  /** Must be awaited before the transaction commits: it travels with the caller's own writes. */
  readonly written: Promise<void>
}

/**
 * Reserves whole orders in the order given, each fully or not at all: `insufficient_stock` names the
 * short lines, `sku_quarantined` the SKU, `order_too_large` too many parts. Set-based: one lock, one update, one ledger insert a batch.
 */
export async function reserveStock(
  tx: Transaction,
  merchant: string,
  requests: readonly ReserveRequest[],
): Promise<readonly Outcome<readonly Allocation[]>[]> {
  const skus = requests.flatMap((one) => one.lines.map((line) => line.sku))
  const { answers, written } = reserveFrom(
    tx,
    merchant,
    await lockFreeStock(tx, merchant, skus),
    requests,
  )
  await written
  return answers
}

/** Locks the rows of some SKUs, in the one global order, and reads what is free. */
export async function lockFreeStock(
  tx: Transaction,
  merchant: string,
  skus: readonly string[],
): Promise<SellableStock> {
  const free: FreeStock = new Map()
  const quarantined = new Set<string>()
  for (const row of await many(tx, lockStock, { merchant, skus: [...new Set(skus)].toSorted() })) {
    if (row.is_quarantined) quarantined.add(row.sku)
    const byLocation = free.get(row.sku) ?? new Map<string, number>()
    byLocation.set(row.location_id, row.available)
    free.set(row.sku, byLocation)
  }
  return { free, quarantined }
}

/**
 * Reserves from stock that this transaction has locked, or sent the lock for: then what is remembered may be
 * wrong, and `takeStock` fails the transaction. What is taken is taken from the given maps too.
 */
export function reserveFrom(
  tx: Transaction,
  merchant: string,
  { free, quarantined }: SellableStock,
  requests: readonly ReserveRequest[],
): Reserved {
  const answers = requests.map((one) => reserveOne(one, free, quarantined))
  const parts = requests.flatMap((one, index) => {
    const answer = answers[index]
    return answer?.ok
      ? answer.value.map((part) => Object.assign({ subjectId: one.subjectId }, part))
      : []
  })
  const written = parts.length > 0 ? take(tx, merchant, parts) : Promise.resolve()
  // Whoever awaits it hears of a fault; where the caller fails first, nobody does.
  written.catch(() => undefined)
  return { answers, written }
}

function reserveOne(
  request: ReserveRequest,
  free: FreeStock,
  quarantined: ReadonlySet<string>,
): Outcome<readonly Allocation[]> {
  const blocked = request.lines.find((line) => quarantined.has(line.sku))
  if (blocked) {
    return refuse(
      'sku_quarantined',
      `${blocked.sku} is withdrawn from sale until its stock is explained.`,
      {
        field: `lines[${blocked.lineNo - 1}].sku`,
        meta: { sku: blocked.sku },
      },
    )
  }
  const result = allocate(request.lines, free, request.maySplit)
  if (result.kind === 'allocated') return accept(result.allocations)
  if (result.kind === 'scattered') {
    return refuse(
      'order_too_large',
      `The stock of this order lies in ${result.parts} parts at several locations; ${ORDER_PARTS_MAX} can be handed over. Split the order.`,
      { field: 'lines', meta: { parts: result.parts, parts_max: ORDER_PARTS_MAX } },
    )
  }
  const [first] = result.lines
  return refuse(
    'insufficient_stock',
    `Not enough stock for ${[...new Set(result.lines.map((line) => line.sku))].join(', ')}.`,
    {
      field: `lines[${(first?.lineNo ?? 1) - 1}].qty`,
      meta: {
        lines: result.lines.map((line) => ({
          line: line.lineNo,
          sku: line.sku,
          qty: line.qty,
          available: line.available,
        })),
      },
    },
  )
}

async function take(
  tx: Transaction,
  merchant: string,
  parts: readonly (Allocation & { subjectId: string })[],
): Promise<void> {
  const totals = new Map<string, { sku: string; locationId: string; units: number }>()
  for (const part of parts) {
    const key = `${part.sku}\n${part.locationId}`
    const total = totals.get(key) ?? { sku: part.sku, locationId: part.locationId, units: 0 }
    total.units += part.qty
    totals.set(key, total)
  }
  const rows = [...totals.values()]
  // Where the rows were read under lock, a guard that refuses here, and fails the transaction, is a bug of
  // ours; where they were remembered, the caller asks and takes again.
  await many(tx, takeStock, {
    merchant,
    skus: rows.map((row) => row.sku),
    locations: rows.map((row) => row.locationId),
    units: rows.map((row) => row.units),
    subjects: parts.map((part) => part.subjectId),
    lines: parts.map((part) => part.lineNo),
    line_locations: parts.map((part) => part.locationId),
    line_skus: parts.map((part) => part.sku),
    line_units: parts.map((part) => part.qty),
  })
}

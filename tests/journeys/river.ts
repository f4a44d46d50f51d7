import { readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import { z } from 'zod'
import type { Database } from '#platform/index.ts'

/** One row of a partner's own ledger: the outside judge. */
export const ledgerRow = z.object({
  partner: z.string(),
  fulfillment_id: z.string(),
  lines: z.array(z.object({ line_id: z.string(), sku: z.string(), qty: z.number() })),
  shipped_at: z.string().nullable(),
})
/** A ledger row. */
export type LedgerRow = z.infer<typeof ledgerRow>

const fileOrder = z.object({
  order_id: z.string(),
  customer: z.string().nullable(),
  country_name: z.string().optional(),
  country: z.string().nullable(),
  goods_minor: z.number(),
  lines: z.array(z.object({ sku: z.string(), qty: z.number() })),
})

/** An order of the input file, as far as the judge needs it. */
export type FileOrder = z.infer<typeof fileOrder>

/** Reads the orders of a file, gzip or not. */
export async function readFileOrders(file: string): Promise<readonly FileOrder[]> {
  const bytes = await readFile(file)
  const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')
  return text
    .trimEnd()
    .split('\n')
    .map((line) => fileOrder.parse(JSON.parse(line)))
}

/** The hold rule, written again from its description: it shares no code with the product. */
export function isHeldByRule(order: FileOrder): boolean {
  return (
    order.goods_minor >= 50_000 ||
    order.lines.some((line) => line.qty >= 200) ||
    (order.customer === null && order.goods_minor >= 25_000) ||
    order.country !== 'GB'
  )
}

/** Every row of the partners' ledgers. */
export async function readLedgers(urls: readonly string[]): Promise<readonly LedgerRow[]> {
  const rows: LedgerRow[] = []
  for (const url of urls) {
    const text = await (await fetch(url)).text()
    for (const line of text.split('\n')) if (line) rows.push(ledgerRow.parse(JSON.parse(line)))
  }
  return rows
}

/** How the orders of a file came out, as the database and the ledgers tell it. */
export type Verdict = {
  readonly orders: number
  readonly held: ReadonlySet<string>
  /** References whose ledger units differ from what was ordered, or that were accepted twice. */
  readonly wrong: readonly string[]
  readonly shipped: number
  readonly unsettled: number
}

/** Judges a finished run: each clear order shipped exactly once and whole, each held one not at all. */
export async function judge(
  database: Database,
  orders: readonly FileOrder[],
  ledger: readonly LedgerRow[],
): Promise<Verdict> {
  const { rows: known } = await database.pool.query<{ reference: string; verdict: string }>(
    `select o.reference, d.verdict from orders."order" o
       join lateral (select verdict from orders.decision
                      where merchant_id = o.merchant_id and order_id = o.id
                      order by number desc limit 1) d on true`,
  )
  const { rows: fulfillments } = await database.pool.query<{
    id: string
    reference: string
    state: string
  }>(
    `select f.id, o.reference, f.state from fulfillment.fulfillment_order f
       join orders."order" o on o.merchant_id = f.merchant_id and o.id = f.order_id`,
  )
  const verdictOf = new Map(known.map((row) => [row.reference, row.verdict]))
  const referenceOf = new Map(fulfillments.map((row) => [row.id, row.reference]))
  const accepted = new Map<string, LedgerRow[]>()
  const times = new Map<string, number>()
  for (const row of ledger) {
    const reference = referenceOf.get(row.fulfillment_id) ?? `stranger ${row.fulfillment_id}`
    accepted.set(reference, [...(accepted.get(reference) ?? []), row])
    times.set(row.fulfillment_id, (times.get(row.fulfillment_id) ?? 0) + 1)
  }
  const wrong = [...times].filter(([, count]) => count > 1).map(([id]) => `accepted twice: ${id}`)
  let shipped = 0
  for (const order of orders) {
    const rows = accepted.get(order.order_id) ?? []
    const isClear = verdictOf.get(order.order_id) === 'clear'
    const isWhole = order.lines.every(
      (line, index) => unitsOf(rows, String(index + 1), line.sku) === (isClear ? line.qty : 0),
    )
    if (!isWhole) wrong.push(`units differ: ${order.order_id}`)
    if (isClear && rows.length > 0 && rows.every((row) => row.shipped_at !== null)) shipped += 1
  }
  return {
    orders: known.filter((row) => orders.length > 0 && !row.reference.startsWith('SAMPLE-')).length,
    held: new Set(
      orders.filter((order) => verdictOf.get(order.order_id) === 'hold').map((one) => one.order_id),
    ),
    wrong,
    shipped,
    unsettled: fulfillments.filter(
      (row) => !['held', 'shipped', 'delivered', 'withdrawn'].includes(row.state),
    ).length,
  }
}

function unitsOf(rows: readonly LedgerRow[], lineId: string, sku: string): number {
  return rows
    .flatMap((row) => row.lines)
    .filter((line) => line.line_id === lineId && line.sku === sku)
    .reduce((sum, line) => sum + line.qty, 0)
}

/** What still moves: outbox, anything that is neither held nor shipped, and events not yet applied. */
export async function openWork(database: Database): Promise<number> {
  const { rows } = await database.pool.query<{ n: number }>(
    `select ((select count(*) from orders.handover_outbox)
           + (select count(*) from fulfillment.fulfillment_order
               where state not in ('held', 'shipped', 'delivered', 'withdrawn'))
           + (select count(*) from fulfillment.inbox where applied_at is null))::int4 as n`,
  )
  return rows[0]?.n ?? 0
}

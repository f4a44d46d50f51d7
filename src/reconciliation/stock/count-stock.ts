import { z } from 'zod'
import { accept, bytesEqual, canonicalJson, refuse, sha256 } from '#kernel/index.ts'
import type { Outcome, Refusal } from '#kernel/index.ts'
import { openCases, resolveCasesAbout } from '#cases/index.ts'
import { productsForSkus } from '#catalog/index.ts'
import { correctStock, listLocations } from '#inventory/index.ts'
import { appendAudit, appendEvents, change, many, maybe, read, transact } from '#platform/index.ts'
import type { Context, RowOf, Transaction } from '#platform/index.ts'
import { readCsv, rowRefusal } from '#platform/files/index.ts'
import {
  decideProposals,
  insertCount,
  insertProposals,
  selectCount,
  selectCounts,
  selectProposals,
} from './stock-statements.ts'

/** What was counted at one place. `line` numbers the line of a file, or counts from 1. */
export type CountedLine = {
  readonly line: number
  readonly sku: string
  readonly locationId: string
  readonly counted: number
}

/** A count; its id counts once. `countedAt` is when it was done: now where absent. */
export type StockCount = {
  readonly id: string
  readonly actor: string
  readonly countedAt?: Date | undefined
  readonly lines: readonly CountedLine[]
}

/** One line of a count, the correction it proposes in units and money, and what became of it. */
export type Proposal = RowOf<typeof selectProposals.row>
/** A count with its lines. */
export type RecordedCount = {
  readonly id: string
  readonly wasNew: boolean
  readonly countedAt: Date
  readonly proposals: readonly Proposal[]
}

const name = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[\x21-\x7e]+$/, 'printable ASCII without spaces')
const fileRow = z.object({
  sku: name,
  location: name,
  counted: z
    .string()
    .regex(/^\d{1,9}$/, 'a whole number')
    .transform(Number),
})

/** The lines of a count file: CSV with `sku`, `location` and `counted`; every bad row is named. */
export async function readCountFile(
  path: string,
): Promise<{ readonly lines: readonly CountedLine[]; readonly refusals: readonly Refusal[] }> {
  const lines: CountedLine[] = []
  const refusals: Refusal[] = []
  for await (const row of readCsv(path, ['sku', 'location', 'counted'])) {
    const parsed = row.ok ? fileRow.safeParse(row.value.fields) : undefined
    if (!row.ok) refusals.push(row.refusal)
    else if (parsed?.success === true) {
      const { sku, location: locationId, counted } = parsed.data
      lines.push({ line: row.value.line, sku, locationId, counted })
    } else if (parsed) refusals.push(rowRefusal(row.value.line, parsed.error).refusal)
  }
  return { lines, refusals }
}

/**
 * Writes a count down and proposes a correction for each line that differs; no stock is moved. Refused:
 * `sku_unknown`, `location_unknown`, `row_invalid` for a pair that stands twice, `count_conflict`.
 */
export async function recordCount(
  context: Context,
  count: StockCount,
): Promise<Outcome<RecordedCount>> {
  const { merchant, database } = context
  const locations = new Set((await listLocations(database, merchant)).map((one) => one.id))
  return transact(database, async (tx) => {
    const products = await productsForSkus(tx, merchant, [
      ...new Set(count.lines.map((one) => one.sku)),
    ])
    const priceOf = new Map(products.map((one) => [one.sku, one]))
    const wrong = findWrong(count.lines, locations, new Set(priceOf.keys()))
    if (wrong) return wrong
    const content = sha256(
      canonicalJson({
        lines: count.lines.map(({ sku, locationId, counted }) => ({ sku, locationId, counted })),
      }),
    )
    const { id, actor } = count
    const inserted = await change(tx, insertCount, {
      merchant,
      id,
      content,
      actor,
      counted_at: count.countedAt ?? null,
    })
    const known = await maybe(tx, selectCount, { merchant, id })
    if (!known || !bytesEqual(known.content_sha256, content)) {
      return refuse('count_conflict', `Count ${id} was recorded before with other content.`)
    }
    if (inserted === 1) {
      await change(tx, insertProposals, {
        merchant,
        count: id,
        lines: count.lines.map((_, index) => index + 1),
        skus: count.lines.map((one) => one.sku),
        locations: count.lines.map((one) => one.locationId),
        counted: count.lines.map((one) => one.counted),
        prices: count.lines.map((one) => priceOf.get(one.sku)?.priceMinor ?? 0),
        currencies: count.lines.map((one) => priceOf.get(one.sku)?.currency ?? ''),
      })
    }
    const proposals = await many(tx, selectProposals, { merchant, count: id })
    if (inserted === 1) await tell(tx, merchant, count, proposals)
    return accept({ id, wasNew: inserted === 1, countedAt: known.counted_at, proposals })
  })
}

function findWrong(
  lines: readonly CountedLine[],
  locations: ReadonlySet<string>,
  skus: ReadonlySet<string>,
) {
  const seen = new Map<string, number>()
  for (const { line, sku, locationId } of lines) {
    if (!locations.has(locationId))
      return refuse('location_unknown', `No location ${locationId}.`, { line })
    if (!skus.has(sku)) return refuse('sku_unknown', `${sku} is not in the catalog.`, { line })
    const twin = seen.get(`${sku}\n${locationId}`)
    if (twin !== undefined) {
      return refuse('row_invalid', `${sku} at ${locationId} stands in line ${twin} already.`, {
        line,
      })
    }
    seen.set(`${sku}\n${locationId}`, line)
  }
  return undefined
}

async function tell(
  tx: Transaction,
  merchant: string,
  { id, actor }: StockCount,
  proposals: readonly Proposal[],
): Promise<void> {
  const open = proposals.filter((one) => one.state === 'proposed')
  const amount = open.reduce((sum, one) => sum + Math.abs(one.money_minor), 0)
  const data = { lines: proposals.length, proposed: open.length, money_minor: amount }
  await appendEvents(tx, merchant, [{ subjectId: id, kind: 'stock_count.recorded', data }])
  await appendAudit(tx, merchant, {
    actor,
    action: 'stock_count.record',
    subjectId: id,
    after: data,
  })
  const [first] = open
  if (!first) return
  await openCases(tx, merchant, actor, [
    {
      kind: 'stock_difference',
      subjectId: id,
      title: `Count ${id} differs from the book in ${open.length} of ${proposals.length} lines.`,
      evidence: {
        ...data,
        first: open.slice(0, 20).map((one) => `${one.sku} ${one.location_id} ${one.difference}`),
      },
      money: { amount, currency: first.currency },
      dueHours: 48,
    },
  ])
}

/** A decision on proposals of a count: all that are open where `lines` is absent. */
export type CountDecision = {
  readonly count: string
  readonly verdict: 'accept' | 'reject'
  readonly lines?: readonly number[] | undefined
  readonly actor: string
  readonly reason: string
}

/** What a decision did; `left` lines wait for one still. */
export type CountDecided = {
  readonly decided: number
  readonly left: number
  readonly negativeSkus: readonly string[]
}

/**
 * Accepts or rejects proposals, each once: what is accepted moves the book by its difference, however
 * much has moved since. Lines that were decided before stay as they are. Refused: `count_unknown`.
 */
export async function decideCount(
  context: Context,
  { count, verdict, lines, actor, reason }: CountDecision,
): Promise<Outcome<CountDecided>> {
  const { merchant } = context
  return transact(context.database, async (tx) => {
    if (!(await maybe(tx, selectCount, { merchant, id: count }))) {
      return refuse('count_unknown', `There is no count ${count}.`)
    }
    const state = verdict === 'accept' ? 'accepted' : 'rejected'
    const wish = { merchant, count, lines: lines ?? null, state, actor, reason }
    const decided = await many(tx, decideProposals, wish)
    const corrections = verdict === 'accept' ? decided : []
    const { negativeSkus } = await correctStock(
      tx,
      merchant,
      corrections.map((one) => ({
        id: `count:${count}:${one.line_no}`,
        sku: one.sku,
        locationId: one.location_id,
        difference: one.difference,
      })),
      { actor, note: reason },
    )
    const proposals = await many(tx, selectProposals, { merchant, count })
    const left = proposals.filter((one) => one.state === 'proposed').length
    if (decided.length > 0) {
      const after = { verdict, lines: decided.length, left, first: decided.slice(0, 100) }
      await appendAudit(tx, merchant, {
        actor,
        action: `stock_count.${verdict}`,
        subjectId: count,
        reason,
        after,
      })
      const data = { verdict, lines: decided.length, left }
      await appendEvents(tx, merchant, [{ subjectId: count, kind: 'stock_count.decided', data }])
    }
    if (left === 0) {
      const outcome = `Every line of the count is decided: ${reason}`
      await resolveCasesAbout(tx, merchant, {
        kind: 'stock_difference',
        subjects: [count],
        actor,
        outcome,
      })
    }
    return accept({ decided: decided.length, left, negativeSkus })
  })
}

/** A count with its lines, or undefined. */
export async function findCount(
  { database, merchant }: Context,
  id: string,
): Promise<RecordedCount | undefined> {
  const [found] = await read(database, selectCount, { merchant, id })
  if (!found) return undefined
  const proposals = await read(database, selectProposals, { merchant, count: id })
  return { id, wasNew: false, countedAt: found.counted_at, proposals }
}

/** Counts, newest first, with how many of their lines wait for a decision. */
export function listCounts({ database, merchant }: Context, limit: number) {
  return read(database, selectCounts, { merchant, limit })
}

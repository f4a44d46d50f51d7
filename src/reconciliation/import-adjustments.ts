import { z } from 'zod'
import type { Refusal } from '#kernel/index.ts'
import { recordSkuAdjustments } from '#inventory/index.ts'
import type { AdjustmentOutcome, SkuAdjustment } from '#inventory/index.ts'
import { appendAudit, withTransaction, timeText } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { checkRows, REFUSALS_KEPT_MAX } from '#platform/files/index.ts'
import { readNdjson } from './read-ndjson.ts'
import type { FileRow } from './read-ndjson.ts'
import type { FileImportOptions } from './returns/import-returns.ts'

/** What became of a file of stock adjustments. `refusals` keeps the first 100. */
export type AdjustmentImport = {
  readonly kind: 'done' | 'refused' | 'stopped'
  readonly bad: number
  readonly recorded: number
  readonly known: number
  /** Rows that could not be booked, by the code of their refusal. */
  readonly refused: Readonly<Record<string, number>>
  /** Units that this import added and took. */
  readonly unitsAdded: number
  readonly unitsTaken: number
  readonly refusals: readonly Refusal[]
  /** Every good row up to this line was tried; 0 where none was. */
  readonly line: number
}

const name = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[\x21-\x7e]+$/, 'printable ASCII without spaces')
const fileRow = z
  .strictObject({
    adjustment_id: name,
    at: timeText,
    sku: name,
    delta: z
      .int()
      .min(-10_000_000)
      .max(10_000_000)
      .refine((units) => units !== 0, 'a change is not 0'),
    note: z.string().max(500).nullable().optional(),
  })
  .transform((row): SkuAdjustment => ({
    id: row.adjustment_id,
    at: row.at,
    sku: row.sku,
    delta: row.delta,
    note: row.note ?? undefined,
  }))

/** Rows a transaction. */
const CHUNK = 500

/**
 * Books the stock adjustments of a file in its order, 500 a transaction: checked whole first,
 * idempotent by `adjustment_id` and SKU. A row for an unknown SKU, or one that would take reserved units, is
 * refused by name and the others stand. Doing it again changes nothing unless the stock has changed.
 */
export async function importAdjustments(
  context: Context,
  path: string,
  options: FileImportOptions,
): Promise<AdjustmentImport> {
  const readAll = () => readNdjson(path, fileRow, (row) => `${row.id} ${row.sku}`)
  const checked = await checkRows(readAll(), undefined, options.signal)
  const tally = openTally()
  if (options.signal?.aborted === true) return tally.result('stopped')
  if (checked.bad > 0) {
    return { ...tally.result('refused'), bad: checked.bad, refusals: checked.refusals }
  }
  let done = 0
  const waiting: FileRow<SkuAdjustment>[] = []
  let chunk: FileRow<SkuAdjustment>[] = []
  const flush = async (): Promise<void> => {
    const rows = chunk
    chunk = []
    if (rows.length === 0) return
    waiting.push(...tally.add(rows, await recordChunk(context, rows, options.actor)))
    done += rows.length
    tally.reached(rows.at(-1)?.line ?? 0)
    options.onProgress?.(done, checked.good)
  }
  for await (const row of readAll()) {
    if (options.signal?.aborted) break
    if (row.ok) chunk.push(row.value)
    if (chunk.length >= CHUNK) await flush()
  }
  if (!options.signal?.aborted) await flush()
  if (done < checked.good) return tally.result('stopped', waiting)
  return tally.result('done', await retry(context, tally, waiting, options.actor))
}

type Waiting = readonly FileRow<SkuAdjustment>[]

/** What was short is tried again while later rows have brought units; what stays short is refused. */
async function retry(
  context: Context,
  tally: ReturnType<typeof openTally>,
  first: Waiting,
  actor: string,
): Promise<Waiting> {
  let waiting = first
  for (;;) {
    const next: FileRow<SkuAdjustment>[] = []
    for (let start = 0; start < waiting.length; start += CHUNK) {
      const rows = waiting.slice(start, start + CHUNK)
      next.push(...tally.add(rows, await recordChunk(context, rows, actor)))
    }
    if (next.length === waiting.length) return waiting
    waiting = next
  }
}

function recordChunk(
  { database, merchant }: Context,
  rows: readonly FileRow<SkuAdjustment>[],
  actor: string,
): Promise<readonly AdjustmentOutcome[]> {
  return withTransaction(database, async (tx) => {
    const adjustments = rows.map(({ row }) => row)
    const outcomes = await recordSkuAdjustments(tx, merchant, adjustments, actor)
    const fresh = outcomes.filter(isFresh)
    if (fresh.length > 0) {
      await appendAudit(tx, merchant, {
        actor,
        action: 'adjustments.import',
        subjectId: adjustments[0]?.id ?? '',
        after: { adjustments: fresh.length, last: adjustments.at(-1)?.id },
      })
    }
    return outcomes
  })
}

const isFresh = (one: AdjustmentOutcome): boolean => one.ok && one.value.wasNew

const SHORT = 'stock_insufficient'

function openTally() {
  const counts = { recorded: 0, known: 0, unitsAdded: 0, unitsTaken: 0 }
  const refused: Record<string, number> = {}
  let lastLine = 0
  const refusals: Refusal[] = []
  const keep = (refusal: Refusal): void => {
    refused[refusal.code] = (refused[refusal.code] ?? 0) + 1
    if (refusals.length < REFUSALS_KEPT_MAX) refusals.push(refusal)
  }
  return {
    /** Counts outcomes; answers the rows that are short of units now. */
    add: (rows: Waiting, outcomes: readonly AdjustmentOutcome[]): Waiting =>
      rows.filter(({ line, row }, index) => {
        const outcome = outcomes[index]
        if (outcome && !outcome.ok) {
          if (outcome.refusal.code === SHORT) return true
          keep({ ...outcome.refusal, line })
        } else if (outcome?.value.wasNew) {
          counts.recorded += 1
          counts.unitsAdded += Math.max(0, row.delta)
          counts.unitsTaken += Math.max(0, -row.delta)
        } else counts.known += 1
        return false
      }),
    reached: (at: number): void => void (lastLine = at),
    result: (kind: AdjustmentImport['kind'], short: Waiting = []): AdjustmentImport => {
      for (const { line, row } of short) {
        const detail = `${row.sku} has fewer than ${-row.delta} free: record a count instead.`
        keep({ code: SHORT, detail, line, meta: { sku: row.sku, delta: row.delta } })
      }
      return { kind, bad: 0, ...counts, refused, refusals, line: lastLine }
    },
  }
}

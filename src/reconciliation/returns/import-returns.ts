import type { Outcome, Refusal } from '#kernel/index.ts'
import { openCases, resolveCasesAbout, restakeCase } from '#cases/index.ts'
import { appendAudit, withTransaction } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { checkRows, REFUSALS_KEPT_MAX } from '#platform/files/index.ts'
import type { FileRow } from '../read-ndjson.ts'
import { readReturns } from './read-returns.ts'
import { recordReturns } from './record-returns.ts'
import type { NewReturn, RecordedReturn } from './record-returns.ts'
import { returnTotals } from './return-queries.ts'
import type { ReturnTotals } from './return-queries.ts'

/** What an import is asked for; `onProgress` hears how many documents of how many are done. */
export type FileImportOptions = {
  readonly actor: string
  /** Stops between two transactions when aborted; run it again to go on. */
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, total: number) => void
}

/** What became of a file of returns. `refusals` keeps the first 100, unmatched lines among them. */
export type ReturnImport = {
  /** `refused`: the file has bad rows and nothing was recorded; `stopped`: run it again to go on. */
  readonly kind: 'done' | 'refused' | 'stopped'
  readonly bad: number
  readonly recorded: number
  readonly known: number
  /** Documents whose id was recorded before with other content. */
  readonly refused: number
  /** Lines accepted by this import, and lines that no shipped goods explain. */
  readonly acceptedLines: number
  readonly unmatchedLines: Readonly<Record<string, number>>
  /** How all returns stand after it; absent where the file was refused. */
  readonly totals: ReturnTotals | undefined
  readonly refusals: readonly Refusal[]
  /** Every good row up to this line is recorded; 0 where none was. */
  readonly line: number
}

const CHUNK = 200

/**
 * Records the returns of a file: checked whole first, then 200 documents a transaction. Idempotent
 * by `return_id`; lines that nothing explained are tried again by the next import of the same file.
 * What stays unmatched is one open case with the money in question.
 */
export async function importReturns(
  context: Context,
  path: string,
  options: FileImportOptions,
): Promise<ReturnImport> {
  const checked = await checkRows(readReturns(path), undefined, options.signal)
  const tally = openTally()
  if (options.signal?.aborted === true) return tally.result({ kind: 'stopped' })
  if (checked.bad > 0) {
    return tally.result({ kind: 'refused', bad: checked.bad, refusals: checked.refusals })
  }
  let done = 0
  let line = 0
  let chunk: FileRow<NewReturn>[] = []
  const flush = async (): Promise<void> => {
    const rows = chunk
    chunk = []
    if (rows.length === 0) return
    tally.add(rows, await recordChunk(context, rows, options.actor))
    done += rows.length
    line = rows.at(-1)?.line ?? line
    options.onProgress?.(done, checked.good)
  }
  for await (const row of readReturns(path)) {
    if (options.signal?.aborted) break
    if (row.ok) chunk.push(row.value)
    if (chunk.length >= CHUNK) await flush()
  }
  if (!options.signal?.aborted) await flush()
  const totals = await returnTotals(context.database, context.merchant)
  if (done < checked.good) return tally.result({ kind: 'stopped', totals, line })
  await tellUnmatched(context, totals, options.actor)
  return tally.result({ kind: 'done', totals, line })
}

function recordChunk(
  { database, merchant }: Context,
  rows: readonly FileRow<NewReturn>[],
  actor: string,
): Promise<readonly Outcome<RecordedReturn>[]> {
  return withTransaction(database, async (tx) => {
    const docs = rows.map(({ row }) => row)
    const recorded = await recordReturns(tx, { merchant, actor, source: 'import' }, docs)
    const fresh = recorded.filter(
      (one) => one.ok && (one.value.wasNew || one.value.acceptedNow > 0),
    )
    if (fresh.length > 0) {
      await appendAudit(tx, merchant, {
        actor,
        action: 'returns.import',
        subjectId: docs[0]?.id ?? '',
        after: { returns: fresh.length, last: docs.at(-1)?.id },
      })
    }
    return recorded
  })
}

async function tellUnmatched(
  { database, merchant }: Context,
  totals: ReturnTotals,
  actor: string,
): Promise<void> {
  for (const { currency, unmatched_lines: lines, unmatched_minor: amount } of totals) {
    const subject = `unmatched ${currency}`
    await withTransaction(database, async (tx) => {
      if (lines === 0) {
        const outcome = 'Every returned line stands for shipped goods now.'
        await resolveCasesAbout(tx, merchant, {
          kind: 'return',
          subjects: [subject],
          actor,
          outcome,
        })
        return
      }
      await openCases(tx, merchant, actor, [
        {
          kind: 'return',
          subjectId: subject,
          title: 'Returned lines stand for no shipped goods of ours.',
          money: { amount, currency },
          evidence: { lines, unmatched_minor: amount },
          dueHours: 168,
        },
      ])
      await restakeCase(tx, merchant, { kind: 'return', subject }, { amount, currency })
    })
  }
}

function openTally() {
  const counts = { bad: 0, recorded: 0, known: 0, refused: 0, acceptedLines: 0 }
  const unmatchedLines: Record<string, number> = {}
  const refusals: Refusal[] = []
  const keep = (refusal: Refusal): void => {
    if (refusals.length < REFUSALS_KEPT_MAX) refusals.push(refusal)
  }
  return {
    add: (
      rows: readonly FileRow<NewReturn>[],
      outcomes: readonly Outcome<RecordedReturn>[],
    ): void => {
      for (const [index, outcome] of outcomes.entries()) {
        const line = rows[index]?.line ?? 0
        if (!outcome.ok) {
          counts.refused += 1
          keep({ ...outcome.refusal, line })
          continue
        }
        counts[outcome.value.wasNew ? 'recorded' : 'known'] += 1
        counts.acceptedLines += outcome.value.acceptedNow
        for (const one of outcome.value.unmatched) {
          unmatchedLines[one.reason] = (unmatchedLines[one.reason] ?? 0) + 1
          keep(unmatchedRefusal(outcome.value.id, one, line))
        }
      }
    },
    result: (over: Pick<ReturnImport, 'kind'> & Partial<ReturnImport>): ReturnImport => ({
      ...counts,
      unmatchedLines,
      refusals,
      totals: undefined,
      line: 0,
      ...over,
    }),
  }
}

/** A line that nothing explains, as a refusal with its reason and, in a file, its line. */
export function unmatchedRefusal(
  id: string,
  one: RecordedReturn['unmatched'][number],
  line?: number,
): Refusal<'return_unmatched'> {
  return {
    code: 'return_unmatched',
    detail: `${one.qty} of ${one.sku} in ${id}: ${MEANING[one.reason]}.`,
    field: `lines[${one.lineNo - 1}]`,
    ...(line === undefined ? {} : { line }),
    meta: { reason: one.reason, return_id: id, sku: one.sku, qty: one.qty },
  }
}

const MEANING: Readonly<Record<RecordedReturn['unmatched'][number]['reason'], string>> = {
  order_missing: 'no order is named',
  order_unknown: 'we have no such order',
  currency_differs: 'the order is in another currency',
  sku_not_in_order: 'the order has no such line',
  exceeds_shipped: 'more than was shipped and has not come back',
}

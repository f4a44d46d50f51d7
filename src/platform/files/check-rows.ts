import type { Outcome, Refusal } from '#kernel/index.ts'

/**
 * What a first pass over a file found. `bad` counts every refused row, `refusals` keeps 100; that the
 * file could not be read to its end (`file_unreadable`) is always kept, and comes first.
 */
export type CheckedRows = {
  readonly good: number
  readonly bad: number
  readonly refusals: readonly Refusal[]
}

/** How many refusals are kept: enough to mend a file by, little enough to print. */
export const REFUSALS_KEPT_MAX = 100

/** Reads rows to their end, or until `signal`, without applying any; `look` sees every good row. */
export async function checkRows<T>(
  rows: AsyncIterable<Outcome<T>>,
  look: (row: T) => void = () => undefined,
  signal?: AbortSignal,
): Promise<CheckedRows> {
  let good = 0
  let bad = 0
  const refusals: Refusal[] = []
  for await (const row of rows) {
    if (signal?.aborted === true) break
    if (row.ok) {
      good += 1
      look(row.value)
      continue
    }
    bad += 1
    if (row.refusal.code === 'file_unreadable') refusals.unshift(row.refusal)
    else if (refusals.length < REFUSALS_KEPT_MAX) refusals.push(row.refusal)
  }
  return { good, bad, refusals: refusals.slice(0, REFUSALS_KEPT_MAX) }
}

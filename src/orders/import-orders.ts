import type { Refusal } from '#kernel/index.ts'
import { withTransaction } from '#platform/index.ts'
import { checkRows, REFUSALS_KEPT_MAX } from '#platform/files/index.ts'
import type { CheckedRows } from '#platform/files/index.ts'
import { productsForSkus } from '#catalog/index.ts'
import type { OrderPlacing } from './place/place-orders.ts'
import type { PlaceOutcome } from './place/place-request.ts'
import { readOrders } from './read-orders.ts'
import type { OrderFileRow } from './read-orders.ts'

/** What an import is asked for; `onProgress` hears how many orders of how many are answered. */
export type OrderImportOptions = {
  /** Passes over bad rows instead of refusing the file. */
  readonly skipBad?: boolean
  /** Stops taking rows when aborted; what is in flight is finished and counted. */
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, total: number) => void
}

/** What became of the file's orders. `known` were placed before; `refusals` keeps the first 100. */
export type OrderImport = {
  /** `refused`: the file has bad rows and nothing was placed; `stopped`: run it again to go on. */
  readonly kind: 'done' | 'refused' | 'stopped'
  /** Bad rows of the file. */
  readonly bad: number
  readonly placed: number
  readonly known: number
  readonly held: number
  readonly cleared: number
  /** Good rows that were not placed: no stock, unknown SKU, other content under the reference. */
  readonly refused: number
  readonly refusals: readonly Refusal[]
  /** Every good row up to this line has been answered; 0 where none was. */
  readonly line: number
}

/** Orders in flight: two full batches, so that one is being read while one is being placed. */
const IN_FLIGHT_MAX = 512

/**
 * Places the orders of a file through the one lane, in the order of the file. The whole file is
 * checked first, its SKUs against the catalog too; a bad row refuses it before anything is placed.
 * Idempotent by `order_id`: an import that was cut short, or is done again, places only what is
 * missing. Memory does not grow with the orders, only (some 150 bytes each) with their references.
 */
export async function importOrders(
  placing: OrderPlacing,
  path: string,
  options: OrderImportOptions = {},
): Promise<OrderImport> {
  const isStopped = (): boolean => options.signal?.aborted === true
  const checked = await checkRowsAndSkus(placing, path, options.signal)
  if (isStopped()) return { ...NOTHING, kind: 'stopped', refusals: [] }
  const isUnreadable = checked.refusals.some((one) => one.code === 'file_unreadable')
  const problems = [...checked.refusals, ...checked.unknownSkus]
  if (problems.length > 0 && (isUnreadable || !options.skipBad)) {
    const bad = checked.bad + checked.unknownSkus.length
    return { ...NOTHING, kind: 'refused', bad, refusals: problems.slice(0, REFUSALS_KEPT_MAX) }
  }
  const tally = openTally(checked)
  const flights = openFlights(IN_FLIGHT_MAX)
  let fault: unknown
  let lastLine = 0
  const fly = async ({ line, input }: OrderFileRow): Promise<void> => {
    try {
      const request = { source: 'import', isTrusted: true, submittedHold: false } as const
      tally.add(line, await placing.place({ ...request, input }))
      options.onProgress?.(tally.done(), checked.good)
    } catch (thrown) {
      fault ??= thrown
    }
  }
  for await (const row of readOrders(path)) {
    if (isStopped() || fault !== undefined) break
    if (!row.ok) continue
    const { value } = row
    lastLine = value.line
    await flights.begin(() => fly(value))
  }
  await flights.land()
  if (fault !== undefined) throw fault
  return { ...tally.result(isStopped() && tally.done() < checked.good), line: lastLine }
}

const NOTHING = {
  bad: 0,
  placed: 0,
  known: 0,
  held: 0,
  cleared: 0,
  refused: 0,
  line: 0,
} as const

// A SKU that the catalog lacks is told once, where the file first names it.
async function checkRowsAndSkus(
  placing: OrderPlacing,
  path: string,
  signal?: AbortSignal,
): Promise<CheckedRows & { readonly unknownSkus: readonly Refusal[] }> {
  const firstLines = new Map<string, { readonly line: number; readonly index: number }>()
  const look = ({ line, input }: OrderFileRow): void => {
    for (const [index, one] of input.lines.entries()) {
      if (!firstLines.has(one.sku)) firstLines.set(one.sku, { line, index })
    }
  }
  const checked = await checkRows(readOrders(path), look, signal)
  const { database, merchant } = placing.deps.context
  const skus = [...firstLines.keys()]
  const products = await withTransaction(database, (tx) => productsForSkus(tx, merchant, skus))
  for (const { sku } of products) firstLines.delete(sku)
  const unknownSkus = [...firstLines].map(([sku, { line, index }]): Refusal => ({
    code: 'product_unknown',
    detail: `${sku} is not in the catalog.`,
    line,
    field: `lines[${index}].sku`,
  }))
  return { ...checked, unknownSkus }
}

function openFlights(max: number) {
  let count = 0
  let wake: () => void = () => undefined
  const landed = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve
    })
  return {
    /** Starts one more, once there is room for it. */
    begin: async (start: () => Promise<void>): Promise<void> => {
      if (count >= max) await landed()
      count += 1
      void start().finally(() => {
        count -= 1
        wake()
      })
    },
    /** Resolves when none is under way. */
    land: async (): Promise<void> => {
      for (let left = count; left > 0; left = count) await landed()
    },
  }
}

function openTally(checked: CheckedRows) {
  const counts = { placed: 0, known: 0, held: 0, cleared: 0, refused: 0 }
  const refusals = [...checked.refusals]
  return {
    add: (line: number, outcome: PlaceOutcome): void => {
      if (outcome.kind === 'refused') {
        counts.refused += 1
        if (refusals.length < REFUSALS_KEPT_MAX) refusals.push({ ...outcome.refusal, line })
        return
      }
      counts[outcome.kind === 'placed' ? 'placed' : 'known'] += 1
      if (outcome.kind === 'placed')
        counts[outcome.order.verdict === 'hold' ? 'held' : 'cleared'] += 1
    },
    done: (): number => counts.placed + counts.known + counts.refused,
    result: (isStopped: boolean): Omit<OrderImport, 'line'> => ({
      kind: isStopped ? 'stopped' : 'done',
      bad: checked.bad,
      ...counts,
      refusals,
    }),
  }
}

import type { Command } from 'commander'
import { z } from 'zod'
import { orThrow } from '#kernel/index.ts'
import type { Refusal } from '#kernel/index.ts'
import { importCatalog } from '#inventory/index.ts'
import { importOrders } from '#orders/index.ts'
import type { OrderImport } from '#orders/index.ts'
import { importAdjustments, importReturns } from '#reconciliation/index.ts'
import type { AdjustmentImport, ReturnImport } from '#reconciliation/index.ts'
import type { Installation } from '#roles/index.ts'
import { withInputFile } from '#platform/files/index.ts'
import { addCommand, addGroup } from './command.ts'
import type { Answer } from './command.ts'
import { money } from './format-text.ts'
import { openProgress } from './progress.ts'
import { cliActor, withInstallation } from './with-installation.ts'

/** `import catalog|orders|returns|adjustments`. */
export function addImportCommands(program: Command): void {
  const group = addGroup(program, 'import', 'bulk load from files; doing it again changes nothing')
  addCommand(group, {
    usage: 'catalog <file>',
    alias: 'catalogue',
    summary:
      'products and their opening stock from a CSV file, plain or gzip; all of it or nothing',
    example: 'holdfast import catalog catalogue.csv',
    options: [['--no-stock', 'leave stock alone: products and prices only']],
    input: z.object({ file: z.string(), stock: z.boolean() }),
    run: ({ file, stock }) =>
      withInputAndInstallation(file, async (path, { context }, signal) => {
        const options = { actor: cliActor(), withStock: stock, signal }
        const done = orThrow(await importCatalog(context, path, options))
        if (done.kind === 'refused') return refusedFile(done.bad, done.refusals)
        if (done.kind === 'stopped') return stoppedWhole()
        const { products, stock: opened } = done
        return {
          json: { kind: 'done', products, stock: opened },
          text: `Products: ${products.inserted} new, ${products.updated} changed, ${products.unchanged} as they were. Opening stock: ${opened.recorded} SKUs recorded, ${opened.known} before.`,
        }
      }),
  })
  addCommand(group, {
    usage: 'orders <file>',
    summary: 'orders from an NDJSON file, plain or gzip; cut short, it goes on where it stopped',
    example: 'holdfast import orders orders.ndjson.gz',
    options: [
      [
        '--skip-bad',
        'pass over bad rows instead of refusing the whole file; exits with 3 where any row was not placed',
      ],
    ],
    input: z.object({ file: z.string(), skipBad: z.boolean().default(false) }),
    run: ({ file, skipBad }) =>
      withInputAndInstallation(file, async (path, { placing }, signal) => {
        const progress = openProgress('placing orders')
        try {
          const done = await importOrders(placing, path, {
            skipBad,
            signal,
            onProgress: progress.update,
          })
          return orderImportAnswer(done, skipBad)
        } finally {
          progress.end()
        }
      }),
  })
  addCommand(group, {
    usage: 'returns <file>',
    summary: 'returns from an NDJSON file, plain or gzip; what no shipped goods explain is named',
    example: 'holdfast import returns returns.ndjson.gz',
    input: z.object({ file: z.string() }),
    run: ({ file }) =>
      withInputAndInstallation(file, async (path, { context }, signal) => {
        const progress = openProgress('recording returns')
        try {
          const options = { actor: cliActor(), signal, onProgress: progress.update }
          return returnImportAnswer(await importReturns(context, path, options))
        } finally {
          progress.end()
        }
      }),
  })
  addCommand(group, {
    usage: 'adjustments <file>',
    summary: 'stock adjustments from an NDJSON file, plain or gzip; never takes what is reserved',
    example: 'holdfast import adjustments stock_adjustments.ndjson.gz',
    input: z.object({ file: z.string() }),
    run: ({ file }) =>
      withInputAndInstallation(file, async (path, { context }, signal) => {
        const progress = openProgress('booking adjustments')
        try {
          const options = { actor: cliActor(), signal, onProgress: progress.update }
          return adjustmentImportAnswer(await importAdjustments(context, path, options))
        } finally {
          progress.end()
        }
      }),
  })
}

// A pipe, or standard input by its name, is read to its end before the database is asked for anything.
async function withInputAndInstallation<T>(
  file: string,
  body: (path: string, installation: Installation, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return withInputFile(file, (path) =>
    withInstallation((installation, signal) => body(path, installation, signal)),
  )
}

const stopped = (line: number): string =>
  line === 0
    ? 'Stopped before the first line was applied; run it again to go on. '
    : `Stopped after line ${line}: everything up to there is done; run it again to go on. `

// One transaction, which was not committed.
function stoppedWhole(): Answer {
  return {
    json: { kind: 'stopped', line: 0 },
    text: 'Stopped: nothing of the file was applied; run it again.',
    isRefused: true,
  }
}

const countsOf = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ') || 'none'

function returnImportAnswer(done: ReturnImport): Answer {
  if (done.kind === 'refused') return refusedFile(done.bad, done.refusals)
  const totals = (done.totals ?? []).map(
    (one) =>
      `All returns: ${one.restocked_units} units restocked, ${money(one.refunded_minor, one.currency)} refunded, ${money(one.charges_minor, one.currency)} of charges credited, ${money(one.unmatched_minor, one.currency)} unmatched.`,
  )
  const head = `Returns: ${done.recorded} recorded, ${done.known} known before. Lines: ${done.acceptedLines} accepted; unmatched: ${countsOf(done.unmatchedLines)}.`
  const { acceptedLines: accepted_lines, unmatchedLines: unmatched_lines, ...rest } = done
  return {
    json: { ...rest, accepted_lines, unmatched_lines },
    text: [`${done.kind === 'stopped' ? stopped(done.line) : ''}${head}`, ...totals].join('\n'),
    isRefused: done.kind === 'stopped' || done.refused > 0,
    refusals: done.refusals,
  }
}

function adjustmentImportAnswer(done: AdjustmentImport): Answer {
  if (done.kind === 'refused') return refusedFile(done.bad, done.refusals)
  const { unitsAdded: units_added, unitsTaken: units_taken, ...rest } = done
  return {
    json: { ...rest, units_added, units_taken },
    text: `${done.kind === 'stopped' ? stopped(done.line) : ''}Adjustments: ${done.recorded} recorded (+${done.unitsAdded}, -${done.unitsTaken} units), ${done.known} known before. Refused: ${countsOf(done.refused)}.`,
    isRefused: done.kind === 'stopped' || Object.keys(done.refused).length > 0,
    refusals: done.refusals,
  }
}

function refusedFile(bad: number, refusals: readonly Refusal[]): Answer {
  return {
    json: { kind: 'refused', bad, refusals },
    text: `Nothing was imported: ${bad} bad ${bad === 1 ? 'row' : 'rows'}.`,
    isRefused: true,
    refusals,
  }
}

function orderImportAnswer(done: OrderImport, skipBad: boolean): Answer {
  if (done.kind === 'refused') return refusedFile(done.bad, done.refusals)
  const { placed, known, held, cleared, refused, bad, refusals } = done
  const begin = done.kind === 'stopped' ? stopped(done.line) : ''
  const end = refused + bad > 0 ? ` Refused: ${refused}. Bad rows passed over: ${bad}.` : ''
  return {
    json: done,
    text: `${begin}Placed: ${placed} (${held} held, ${cleared} cleared). Known before: ${known}.${end}`,
    isRefused: done.kind === 'stopped' || (refused > 0 && !skipBad),
    isPartial: refused + bad > 0,
    refusals,
  }
}

import type { Command } from 'commander'
import { z } from 'zod'
import { orThrow, refuse, RefusedError } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { importStock, recordRows, toStockRow } from '#inventory/index.ts'
import type { StockFileRow, StockImport } from '#inventory/index.ts'
import { withInputFile } from '#platform/files/index.ts'
import { addCommand, addGroup } from './command.ts'
import type { Answer } from './command.ts'
import { cliActor, withInstallation } from './with-installation.ts'

const KINDS = [
  { kind: 'receive', summary: 'units that arrived', quantity: '40' },
  { kind: 'adjust', summary: 'signed changes; never takes what is reserved', quantity: '-3' },
  { kind: 'count', summary: 'set the book to what was counted', quantity: '117' },
] as const

const input = z.object({
  file: z.string().optional(),
  id: z.string().optional(),
  sku: z.string().optional(),
  location: z.string().optional(),
  quantity: z.string().optional(),
  note: z.string().optional(),
})

/** `stock receive|adjust|count`. */
export function addStockCommands(program: Command): void {
  const group = addGroup(program, 'stock', 'record stock documents: one row, or a CSV file of them')
  for (const { kind, summary, quantity } of KINDS) {
    addCommand(group, {
      usage: `${kind} [file]`,
      summary: `${summary}; a document id counts once`,
      example: `holdfast stock ${kind} --id ${kind}-1 --sku 85123A --location loc-shipco --quantity ${quantity}`,
      options: [
        ['--id <id>', 'the id of the document: the same id again changes nothing'],
        ['--sku <sku>', 'the SKU'],
        ['--location <id>', 'the location'],
        ['--quantity <units>', 'how many units'],
        ['--note <text>', 'why, in your own words'],
      ],
      input,
      run: ({ file, ...fields }) => {
        const options = { kind, actor: cliActor() }
        if (file !== undefined) {
          return withInputFile(file, (path) =>
            withInstallation(async ({ context }) =>
              answerOf(orThrow(await importStock(context, path, options))),
            ),
          )
        }
        const row = rowOf(toStockRow({ line: 1, fields }, kind))
        return withInstallation(async ({ context }) =>
          answerOf(orThrow(withoutLine(await recordRows(context, [row], options)))),
        )
      },
    })
  }
}

// One row comes from options, so that what is wrong with it is wrong usage.
function rowOf(row: Outcome<StockFileRow>): StockFileRow {
  if (row.ok) return row.value
  const field = `--${row.refusal.field ?? 'id'}`
  throw new RefusedError(refuse('usage_invalid', row.refusal.detail, { field }).refusal)
}

function withoutLine<T>(outcome: Outcome<T>): Outcome<T> {
  if (outcome.ok) return outcome
  const { line: _, ...refusal } = outcome.refusal
  return { ok: false, refusal }
}

function answerOf(done: StockImport): Answer {
  if (done.kind === 'refused') {
    const { bad, refusals } = done
    const text = `Nothing was recorded: ${bad} bad ${bad === 1 ? 'row' : 'rows'}.`
    return { json: { kind: 'refused', bad, refusals }, text, isRefused: true, refusals }
  }
  const { recorded, known, negativeSkus } = done
  const below =
    negativeSkus.length > 0 ? ` Below zero, quarantined: ${negativeSkus.join(', ')}.` : ''
  return {
    json: { kind: 'done', recorded, known, negative_skus: negativeSkus },
    text: `Documents: ${recorded} recorded, ${known} before.${below}`,
  }
}

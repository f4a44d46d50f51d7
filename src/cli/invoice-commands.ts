import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { z } from 'zod'
import { timeText } from '#platform/index.ts'
import { orThrow } from '#kernel/index.ts'
import { claimFile, readInvoiceFile, reconcileInvoice } from '#reconciliation/index.ts'
import type { InvoiceMatch } from '#reconciliation/index.ts'
import { withInputFile } from '#platform/files/index.ts'
import { addCommand } from './command.ts'
import type { Answer } from './command.ts'
import { money, table } from './format-text.ts'
import { cliActor, withInstallation } from './with-installation.ts'

/** `reconcile invoice`. */
export function addInvoiceCommand(group: Command): void {
  addCommand(group, {
    usage: 'invoice <file>',
    summary: 'match a bill of a partner (CSV) with orders and shipments; each line is judged once',
    example: 'holdfast reconcile invoice shipco-november.csv --claim-file claim.csv',
    options: [
      ['--claim-file <out>', 'write what is disputed as CSV, to send to the partner'],
      ['--shipped-upto <time>', 'what was shipped until then should be billed by now, ISO 8601'],
    ],
    input: z.object({
      file: z.string(),
      claimFile: z.string().min(1).optional(),
      shippedUpto: timeText.transform((text) => new Date(text)).optional(),
    }),
    run: ({ file, claimFile: out, shippedUpto }) =>
      withInstallation(async ({ context }) => {
        const { lines, refusals } = await withInputFile(file, readInvoiceFile)
        if (refusals.length > 0) {
          const text = `Nothing was recorded: ${refusals.length} bad rows.`
          const json = { kind: 'refused', bad: refusals.length, refusals }
          return { json, text, isRefused: true, refusals: refusals.slice(0, 100) }
        }
        const wish = { lines, actor: cliActor(), shippedUpto }
        const match = orThrow(await reconcileInvoice(context, wish))
        if (out !== undefined) await writeFile(out, claimFile(match.lines), { mode: 0o600 })
        return matchAnswer(match)
      }),
  })
}

function matchAnswer(match: InvoiceMatch): Answer {
  const sums = [...Map.groupBy(match.lines, (one) => `${one.verdict} ${one.currency}`).values()]
  const rows = sums.map((own) => {
    const sum = (of: (one: InvoiceMatch['lines'][number]) => number): number =>
      own.reduce((total, one) => total + of(one), 0)
    const currency = own[0]?.currency ?? ''
    return [
      own[0]?.verdict ?? '',
      own.length,
      money(
        sum((one) => one.amount_minor),
        currency,
      ),
      money(
        sum((one) => one.disputed_minor),
        currency,
      ),
    ]
  })
  const units = match.unbilled.reduce((sum, one) => sum + one.units, 0)
  const unbilled = units > 0 ? `\nShipped and not billed: ${units} units.` : ''
  const head = `Lines: ${match.recorded} judged, ${match.known} known before.`
  return {
    json: match,
    text: `${head}\n${table(['VERDICT', 'LINES', 'BILLED', 'DISPUTED'], rows)}${unbilled}`,
  }
}

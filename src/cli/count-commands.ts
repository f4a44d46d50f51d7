import type { Command } from 'commander'
import { z } from 'zod'
import { timeText } from '#platform/index.ts'
import { orThrow, refuse, sha256Hex } from '#kernel/index.ts'
import { decideCount, findCount, readCountFile, recordCount } from '#reconciliation/index.ts'
import type { RecordedCount } from '#reconciliation/index.ts'
import { withInputFile } from '#platform/files/index.ts'
import { addCommand } from './command.ts'
import type { Answer } from './command.ts'
import { money, table } from './format-text.ts'
import { cliActor, withInstallation } from './with-installation.ts'

const id = z.string().regex(/^[\x21-\x7e]{1,64}$/, 'printable ASCII without spaces, at most 64')

/** `reconcile stock|count|decide`. */
export function addCountCommands(group: Command): void {
  addCommand(group, {
    usage: 'stock <file>',
    summary: 'hold a count (CSV: sku, location, counted) against the book; proposes, moves nothing',
    example: 'holdfast reconcile stock count-shipco.csv --counted-at 2026-11-22T18:00:00Z',
    options: [
      ['--id <id>', 'the id of the count; made of its content where absent'],
      ['--counted-at <time>', 'when it was counted, ISO 8601; now where absent'],
    ],
    input: z.object({
      file: z.string(),
      id: id.optional(),
      countedAt: timeText.transform((text) => new Date(text)).optional(),
    }),
    run: ({ file, id: given, countedAt }) =>
      withInstallation(async ({ context }) => {
        const { lines, refusals } = await withInputFile(file, readCountFile)
        if (refusals.length > 0 || lines.length === 0) return refusedFile(refusals)
        const made = `count-${sha256Hex(JSON.stringify(lines)).slice(0, 16)}`
        const count = { id: given ?? made, actor: cliActor(), countedAt, lines }
        return countAnswer(orThrow(await recordCount(context, count)))
      }),
  })
  addCommand(group, {
    usage: 'count <id>',
    summary: 'a count with the correction that each line proposes',
    example: 'holdfast reconcile count count-6f1d20ab34c09e77',
    input: z.object({ id }),
    run: (wish) =>
      withInstallation(async ({ context }) => {
        const found = await findCount(context, wish.id)
        return countAnswer(
          orThrow(
            found
              ? { ok: true, value: found }
              : refuse('count_unknown', `There is no count ${wish.id}.`),
          ),
        )
      }),
  })
  addCommand(group, {
    usage: 'decide <id> <verdict> [lines...]',
    summary: 'accept or reject what a count proposes, line by line or all that is open',
    example: 'holdfast reconcile decide count-6f1d20ab34c09e77 accept 1 4 --reason "counted twice"',
    options: [['--reason <text>', 'why; the audit table keeps it']],
    input: z.object({
      id,
      verdict: z.enum(['accept', 'reject'], 'accept or reject'),
      lines: z.array(
        z
          .string()
          .regex(/^[1-9]\d{0,6}$/, 'numbers of lines')
          .transform(Number),
      ),
      reason: z.string('says why').min(1).max(500),
    }),
    run: ({ id: count, verdict, lines, reason }) =>
      withInstallation(async ({ context }) => {
        const some = lines.length > 0 ? lines : undefined
        const wish = { count, verdict, lines: some, reason, actor: cliActor() }
        const { decided, left, negativeSkus } = orThrow(await decideCount(context, wish))
        const below =
          negativeSkus.length > 0 ? ` Below zero, quarantined: ${negativeSkus.join(', ')}.` : ''
        return {
          json: { count, verdict, decided, left, negative_skus: negativeSkus },
          text: `${count}: ${decided} decided, ${left} left.${below}`,
        }
      }),
  })
}

function refusedFile(refusals: Answer['refusals'] = []): Answer {
  const text = `Nothing was recorded: ${refusals.length} bad rows.`
  return {
    json: { kind: 'refused', refusals },
    text,
    isRefused: true,
    refusals: refusals.slice(0, 100),
  }
}

function countAnswer(count: RecordedCount): Answer {
  const open = count.proposals.filter((one) => one.state !== 'agrees')
  const head = `Count ${count.id}: ${count.proposals.length} lines, ${open.length} differ.`
  const rows = open.map((one) => [
    one.line_no,
    one.sku,
    one.location_id,
    one.counted,
    one.book,
    one.difference,
    money(one.money_minor, one.currency),
    one.state,
  ])
  return {
    json: {
      id: count.id,
      was_new: count.wasNew,
      counted_at: count.countedAt,
      lines: count.proposals,
    },
    text: `${head}\n${table(['LINE', 'SKU', 'LOCATION', 'COUNTED', 'BOOK', 'DIFFERENCE', 'MONEY', 'STATE'], rows)}`,
  }
}

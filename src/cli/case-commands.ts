import type { Command } from 'commander'
import { z } from 'zod'
import { timeText } from '#platform/index.ts'
import { orThrow, refuse } from '#kernel/index.ts'
import {
  assignCase,
  CASE_KINDS,
  caseEntries,
  findCase,
  listCases,
  noteCase,
  openCaseTotals,
  resolveCase,
} from '#cases/index.ts'
import type { CaseRow, CaseTotal } from '#cases/index.ts'
import type { Context } from '#platform/index.ts'
import { addCommand, addGroup, limitOption } from './command.ts'
import type { Answer } from './command.ts'
import { age, money, table, time } from './format-text.ts'
import { cliActor, withInstallation } from './with-installation.ts'

const moment = timeText.transform((text) => new Date(text)).optional()
const words = (means: string) => z.string(means).min(1).max(2_000)

/** `cases list|show|assign|note|resolve`. */
export function addCaseCommands(program: Command): void {
  const group = addGroup(program, 'cases', 'what a person must look into, and the money at stake')
  addListCommand(group)
  addCommand(group, {
    usage: 'show <id>',
    summary: 'one case with its evidence, notes and outcome',
    example: 'holdfast cases show cas_06bq3…',
    input: z.object({ id: z.string() }),
    run: ({ id }) => withInstallation(({ context }) => showCase(context, id)),
  })
  addCommand(group, {
    usage: 'assign <id>',
    summary: 'give a case to somebody, with another due time if need be',
    example: 'holdfast cases assign cas_06bq3… --owner ada --due 2026-11-24T12:00:00Z',
    options: [
      ['--owner <name>', 'who looks into it'],
      ['--due <time>', 'until when, ISO 8601; as it was where absent'],
    ],
    input: z.object({ id: z.string(), owner: words('names who looks into it'), due: moment }),
    run: ({ id, owner, due }) =>
      withInstallation(async ({ context }) => {
        orThrow(await assignCase(context, { case: id, owner, dueAt: due, actor: cliActor() }))
        return showCase(context, id)
      }),
  })
  addCommand(group, {
    usage: 'note <id> <text>',
    summary: 'add a note to the history of a case',
    example: 'holdfast cases note cas_06bq3… "asked the partner by telephone"',
    input: z.object({ id: z.string(), text: words('says something') }),
    run: ({ id, text }) =>
      withInstallation(async ({ context }) => {
        orThrow(await noteCase(context, { case: id, text, actor: cliActor() }))
        return showCase(context, id)
      }),
  })
  addCommand(group, {
    usage: 'resolve <id>',
    summary: 'close a case with what came of it; the same again changes nothing',
    example: 'holdfast cases resolve cas_06bq3… --outcome "the partner credited both parcels"',
    options: [['--outcome <text>', 'what came of it; the case keeps it']],
    input: z.object({ id: z.string(), outcome: words('says what came of it') }),
    run: ({ id, outcome }) =>
      withInstallation(async ({ context }) => {
        orThrow(await resolveCase(context, { case: id, outcome, actor: cliActor() }))
        return showCase(context, id)
      }),
  })
}

function addListCommand(group: Command): void {
  addCommand(group, {
    usage: 'list',
    summary: 'cases, the one due first at the top; open ones where no state is given',
    example: 'holdfast cases list --kind invoice_difference --limit 50',
    options: [
      ['--state <state>', 'open, resolved (default open)'],
      ['--kind <kind>', CASE_KINDS.join(', ')],
      ['--owner <name>', 'of one person; nobody: those without an owner'],
      ['--partner <id>', 'of one partner'],
      ['--due-before <time>', 'due before this time, ISO 8601'],
      ['--limit <n>', 'how many, 1 to 1000 (default 20)'],
      ['--after <id>', 'the last id of the page before'],
    ],
    input: z.object({
      state: z.enum(['open', 'resolved']).default('open'),
      kind: z.enum(CASE_KINDS).optional(),
      owner: z.string().optional(),
      partner: z.string().optional(),
      dueBefore: moment,
      limit: limitOption,
      after: z.string().optional(),
    }),
    run: (filter) =>
      withInstallation(async ({ context: { database, merchant } }) => {
        const cases = await listCases(database, merchant, filter)
        const totals = await openCaseTotals(database, merchant)
        const next = cases.length === filter.limit ? (cases.at(-1)?.id ?? null) : null
        return {
          json: { cases, next, totals },
          text: `${caseTable(cases)}\n\n${totalTable(totals)}`,
        }
      }),
  })
}

async function showCase({ database, merchant }: Context, id: string): Promise<Answer> {
  const found = await findCase(database, merchant, id)
  const one = orThrow(
    found ? { ok: true, value: found } : refuse('case_unknown', `There is no case ${id}.`),
  )
  const entries = await caseEntries(database, merchant, id)
  const told = table(
    ['AT', 'WHAT', 'BY', 'TEXT', 'DATA'],
    entries.map((entry) => [
      time(entry.at),
      entry.kind,
      entry.actor,
      entry.text,
      Object.keys(entry.data).length === 0 ? '' : JSON.stringify(entry.data),
    ]),
  )
  return { json: { ...one, entries }, text: `${one.title}\n\n${caseTable([one])}\n\n${told}` }
}

/** Cases as a table: what is at stake, who looks into it and until when. */
export function caseTable(cases: readonly CaseRow[]): string {
  return table(
    ['ID', 'KIND', 'STATE', 'ABOUT', 'AT STAKE', 'OWNER', 'DUE'],
    cases.map((one) => [
      one.id,
      one.kind,
      one.state,
      one.subject_id,
      stake(one.money_minor, one.currency),
      one.owner ?? '-',
      `${time(one.due_at)}${one.is_overdue ? ' overdue' : ''}`,
    ]),
  )
}

function totalTable(totals: readonly CaseTotal[]): string {
  return table(
    ['OPEN OF KIND', 'COUNT', 'OVERDUE', 'AT STAKE', 'OLDEST'],
    totals.map((one) => [
      one.kind,
      one.open,
      one.overdue,
      stake(one.currency === null ? null : one.money_minor, one.currency),
      age(one.oldest_s),
    ]),
  )
}

const stake = (minor: number | null, currency: string | null): string =>
  minor === null || currency === null ? '-' : money(minor, currency)

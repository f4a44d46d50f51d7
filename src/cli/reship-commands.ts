import type { Command } from 'commander'
import { z } from 'zod'
import { orThrow } from '#kernel/index.ts'
import {
  approveReship,
  endReship,
  listReships,
  refuseReship,
  requestReship,
} from '#fulfillment/index.ts'
import { addCommand, addGroup, limitOption } from './command.ts'
import { table, time } from './format-text.ts'
import { cliActor, withInstallation } from './with-installation.ts'

const words = (what: string) => z.string(what).min(1).max(500)
const decision = z.object({ id: z.string(), note: words('says why') })
const NOTE = ['--note <text>', 'why, for the audit trail'] as const

/** `reship request|approve|refuse|end|list`. */
export function addReshipCommands(program: Command): void {
  const group = addGroup(
    program,
    'reship',
    'ship a lost parcel again: one person asks, another approves',
  )
  addCommand(group, {
    usage: 'request <fulfillment>',
    summary: 'ask to ship a lost parcel again; nothing ships before another person approves',
    example:
      'holdfast reship request ful_0123 --reason "lost by the carrier" --evidence "ticket 4711, no scan since 3 May"',
    options: [
      ['--reason <text>', 'why'],
      ['--evidence <text>', 'what shows that it is lost; the case keeps it'],
    ],
    input: z.object({
      fulfillment: z.string(),
      reason: words('says why'),
      evidence: z.string('shows that it is lost').min(1).max(2_000),
    }),
    run: (asked) =>
      withInstallation(async ({ context }) => {
        const made = orThrow(await requestReship(context, { ...asked, actor: cliActor() }))
        return {
          json: { id: made.id, case_id: made.case },
          text: `Asked as ${made.id}, case ${made.case}. Another person approves.`,
        }
      }),
  })
  addCommand(group, {
    usage: 'approve <id>',
    summary: 'approve what somebody else asked for: new stock, a new generation, a new order key',
    example: 'holdfast reship approve rsh_0123 --note "seen by both of us"',
    options: [NOTE],
    input: decision,
    run: ({ id, note }) =>
      withInstallation(async ({ context }) => {
        const input = { reship: id, note, actor: cliActor() }
        const { fulfillment, generation } = orThrow(await approveReship(context, input))
        return {
          json: { id, fulfillment_id: fulfillment, generation },
          text: `${fulfillment} ships again as generation ${generation}.`,
        }
      }),
  })
  addCommand(group, {
    usage: 'refuse <id>',
    summary: 'say no to a reship, or take back your own',
    example: 'holdfast reship refuse rsh_0123 --note "it has arrived"',
    options: [NOTE],
    input: decision,
    run: ({ id, note }) =>
      withInstallation(async ({ context }) => {
        orThrow(await refuseReship(context, { reship: id, note, actor: cliActor() }))
        return { json: { id, refused: true }, text: `${id} is refused.` }
      }),
  })
  addCommand(group, {
    usage: 'end <id>',
    summary: 'end an approved reship that no partner has, and free its stock',
    example: 'holdfast reship end rsh_0123 --note "the first parcel was found"',
    options: [NOTE],
    input: decision,
    run: ({ id, note }) =>
      withInstallation(async ({ context }) => {
        const input = { reship: id, note, actor: cliActor() }
        const { fulfillment } = orThrow(await endReship(context, input))
        return {
          json: { id, fulfillment_id: fulfillment, ended: true },
          text: `${id} is ended: ${fulfillment} does not ship again.`,
        }
      }),
  })
  addCommand(group, {
    usage: 'list',
    summary: 'reships, newest first, with who asked and who decided',
    example: 'holdfast reship list --state requested',
    options: [
      ['--state <state>', 'requested, approved, refused or ended'],
      ['--before <id>', 'older than this one: the last id of the page before'],
      ['--limit <n>', 'how many, 1 to 1000 (default 20)'],
    ],
    input: z.object({
      state: z.enum(['requested', 'approved', 'refused', 'ended']).optional(),
      before: z.string().optional(),
      limit: limitOption,
    }),
    run: (page) =>
      withInstallation(async ({ context }) => {
        const reships = await listReships(context.database, context.merchant, page)
        return {
          json: { reships },
          text: table(
            ['ID', 'FULFILLMENT', 'GENERATION', 'STATE', 'ASKED BY', 'AT', 'DECIDED BY'],
            reships.map((one) => [
              one.id,
              one.fulfillment_id,
              String(one.generation),
              one.state,
              one.requested_by,
              time(one.requested_at),
              one.decided_by ?? '',
            ]),
          ),
        }
      }),
  })
}

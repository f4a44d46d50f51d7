import type { Command } from 'commander'
import { z } from 'zod'
import { orThrow } from '#kernel/index.ts'
import { closeUnknown, listLanes, listUnknown, openForeignLane } from '#fulfillment/index.ts'
import { addCommand, addGroup, limitOption } from './command.ts'
import { table, time } from './format-text.ts'
import { cliActor, withInstallation } from './with-installation.ts'

const REASON = ['--reason <text>', 'what you rely on; the audit table keeps it'] as const
const reason = z.string('says why').min(1).max(500)

/** `lanes list|open`, `unknown list|close`. */
export function addLaneCommands(program: Command): void {
  const lanes = addGroup(program, 'lanes', 'whether dispatches go to a partner, and if not, why')
  addCommand(lanes, {
    usage: 'list',
    summary: 'the lane of each partner: open, or shut and why',
    example: 'holdfast lanes list',
    input: z.object({}),
    run: () =>
      withInstallation(async ({ context }) => {
        const found = await listLanes(context.database, context.merchant)
        const rows = found.map((one) => [
          one.partner_id,
          one.reason === null ? 'open' : 'shut',
          one.reason,
          time(one.shut_since),
          one.unknown,
          one.detail,
        ])
        const head = ['PARTNER', 'LANE', 'REASON', 'SINCE', 'UNKNOWN', 'DETAIL']
        return { json: { lanes: found }, text: table(head, rows) }
      }),
  })
  addCommand(lanes, {
    usage: 'open <partner>',
    summary: 'say whose the dispatches are that shut a lane: ours (a restored copy) or other',
    example: 'holdfast lanes open packlogic --past other --reason "those of our trial in March"',
    options: [
      ['--past <owner>', 'ours: every lane is compared; other: count on behind them'],
      REASON,
    ],
    input: z.object({
      partner: z.string(),
      past: z.enum(['ours', 'other'], 'ours or other'),
      reason,
    }),
    run: ({ partner, past, reason: why }) =>
      withInstallation(async ({ context }) => {
        const wish = { partner, past, reason: why, actor: cliActor() }
        const { upto } = orThrow(await openForeignLane(context, wish))
        const text =
          past === 'ours'
            ? 'The fence is raised: every lane is shut until its books were compared.'
            : `${partner} is another installation's up to ${upto}; its lane opens with the next handshake.`
        return { json: { partner, past, upto }, text }
      }),
  })
  addUnknownCommands(program)
}

function addUnknownCommands(program: Command): void {
  const unknown = addGroup(
    program,
    'unknown',
    'orders that a partner holds and our books do not know',
  )
  addCommand(unknown, {
    usage: 'list',
    summary: 'what waits for the order that the shop sends again, or for a person',
    example: 'holdfast unknown list --partner shipco',
    options: [
      ['--partner <id>', 'of one partner'],
      ['--limit <n>', 'how many, 1 to 1000 (default 20)'],
    ],
    input: z.object({ partner: z.string().optional(), limit: limitOption }),
    run: ({ partner, limit }) =>
      withInstallation(async ({ context }) => {
        const { database, merchant } = context
        const found = await listUnknown(database, merchant, { partner, limit })
        const rows = found.map((one) => [
          one.fulfillment_id,
          one.partner_id,
          one.partner_state,
          one.state,
          one.order_id,
          one.key,
        ])
        const head = ['FULFILLMENT', 'PARTNER', 'THERE', 'STATE', 'ORDER', 'KEY']
        return { json: { unknown: found }, text: table(head, rows) }
      }),
  })
  addCommand(unknown, {
    usage: 'close <fulfillment>',
    summary:
      'nobody waits for its order any more; an order of the same identity may be sealed again',
    example: 'holdfast unknown close ful_0123 --reason "a test parcel of ours"',
    options: [REASON],
    input: z.object({ fulfillment: z.string(), reason }),
    run: ({ fulfillment, reason: why }) =>
      withInstallation(async ({ context }) => {
        const wish = { fulfillment, reason: why, actor: cliActor() }
        orThrow(await closeUnknown(context, wish))
        return { json: { fulfillment, state: 'closed' }, text: `${fulfillment} is closed.` }
      }),
  })
}

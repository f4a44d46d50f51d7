import type { Command } from 'commander'
import { z } from 'zod'
import { listDispatches } from '#fulfillment/index.ts'
import { addCommand, addGroup, limitOption } from './command.ts'
import { table, time } from './format-text.ts'
import { withInstallation } from './with-installation.ts'

const STATES = [
  'queued',
  'sending',
  'unknown',
  'accepted',
  'rejected',
  'needs_operator',
  'quarantined',
  'recalling',
  'recalled',
  'recall_partial',
  'too_late',
] as const

/** `dispatches list`. */
export function addDispatchCommands(program: Command): void {
  const group = addGroup(program, 'dispatches', 'sealed batches on their way to partners')
  addCommand(group, {
    usage: 'list',
    summary: 'dispatches, newest first',
    example: 'holdfast dispatches list --state unknown',
    options: [
      ['--state <state>', STATES.join(', ')],
      ['--partner <id>', 'of one partner'],
      ['--limit <n>', 'how many, 1 to 1000 (default 20)'],
      ['--before <id>', 'older than this dispatch: the last id of the page before'],
    ],
    input: z.object({
      state: z.enum(STATES).optional(),
      partner: z.string().optional(),
      limit: limitOption,
      before: z.string().optional(),
    }),
    run: ({ state, partner, limit, before }) =>
      withInstallation(async ({ context }) => {
        const dispatches = await listDispatches(context.database, context.merchant, {
          limit,
          ...(state === undefined ? {} : { state }),
          ...(partner === undefined ? {} : { partner }),
          ...(before === undefined ? {} : { before }),
        })
        return {
          json: { dispatches },
          text: table(
            ['ID', 'PARTNER', 'STATE', 'ATTEMPTS', 'SEALED', 'LAST CODE'],
            dispatches.map((one) => [
              one.id,
              one.partner_id,
              one.state,
              one.attempt,
              time(one.sealed_at),
              one.last_code,
            ]),
          ),
        }
      }),
  })
}

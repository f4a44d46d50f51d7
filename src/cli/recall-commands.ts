import type { Command } from 'commander'
import { z } from 'zod'
import { orThrow, refuse } from '#kernel/index.ts'
import { listRecalls, recallDispatches, resolveRecall } from '#fulfillment/index.ts'
import type { RecallResult } from '#fulfillment/index.ts'
import { addCommand, addGroup, limitOption } from './command.ts'
import type { Answer } from './command.ts'
import { table, time } from './format-text.ts'
import { cliActor, withInstallation } from './with-installation.ts'

const NAMED_MAX = 1_000
const reason = z.string('says why').min(1).max(500)
const note = z.string('says what the partner told you').min(1).max(500)
const STATES = [
  'queued',
  'sending',
  'unknown',
  'answered',
  'needs_operator',
  'quarantined',
] as const

/** `recall`, `recalls list|resolve`. */
export function addRecallCommands(program: Command): void {
  addCommand(program, {
    usage: 'recall <batch...>',
    summary: 'ask batches or dispatches back, many in one call; again tells how far each is',
    example: 'holdfast recall btc_01f8r2 btc_01f8r3 --reason "cleared by mistake"',
    options: [['--reason <text>', 'why; the audit keeps it']],
    input: z.object({ batch: z.array(z.string()).min(1).max(NAMED_MAX), reason }),
    run: (wish) =>
      withInstallation(async ({ context }) =>
        recallAnswer(
          await recallDispatches(context, {
            names: wish.batch,
            actor: cliActor(),
            reason: wish.reason,
          }),
        ),
      ),
  })
  const group = addGroup(program, 'recalls', 'what partners were asked to give back')
  addListCommand(group)
  addCommand(group, {
    usage: 'resolve <id> <outcome>',
    summary: 'answer a recall that needs a person, after asking the partner: recalled, too_late',
    example: 'holdfast recalls resolve rcl_01f8r2 recalled --note "called them"',
    options: [['--note <text>', 'what the partner told you; the audit keeps it']],
    input: z.object({ id: z.string(), outcome: z.enum(['recalled', 'too_late']), note }),
    run: ({ id, outcome, note: told }) =>
      withInstallation(async ({ context }) => {
        const wish = { recall: id, outcome, note: told, actor: cliActor() }
        const { orders } = orThrow(await resolveRecall(context, wish))
        return { json: { id, outcome, orders }, text: `${id}: ${outcome}, ${orders} orders.` }
      }),
  })
}

function addListCommand(group: Command): void {
  addCommand(group, {
    usage: 'list',
    summary: 'recalls, newest first',
    example: 'holdfast recalls list --state needs_operator',
    options: [
      ['--state <state>', STATES.join(', ')],
      ['--limit <n>', 'how many, 1 to 1000 (default 20)'],
    ],
    input: z.object({ state: z.enum(STATES).optional(), limit: limitOption }),
    run: ({ state, limit }) =>
      withInstallation(async ({ context }) => {
        const recalls = await listRecalls(context.database, context.merchant, {
          limit,
          ...(state === undefined ? {} : { state }),
        })
        const rows = recalls.map((one) => [
          one.id,
          one.dispatch_id,
          one.partner_id,
          one.state,
          one.orders,
          one.attempt,
          time(one.sealed_at),
          one.last_code,
        ])
        const head = [
          'ID',
          'DISPATCH',
          'PARTNER',
          'STATE',
          'ORDERS',
          'ATTEMPTS',
          'SEALED',
          'LAST CODE',
        ]
        return { json: { recalls }, text: table(head, rows) }
      }),
  })
}

function recallAnswer(results: readonly RecallResult[]): Answer {
  const rows = results.flatMap((one) =>
    one.dispatches.flatMap((dispatch) =>
      dispatch.orders.map((order) => [
        dispatch.batch_id,
        dispatch.partner_id,
        dispatch.state,
        order.order_id,
        order.state,
        order.tracking_number,
      ]),
    ),
  )
  const unknown = results.filter((one) => one.code === 'dispatch_unknown')
  return {
    json: { items: results },
    text: table(['BATCH', 'PARTNER', 'DISPATCH', 'ORDER', 'RECALL', 'TRACKING'], rows),
    isRefused: unknown.length > 0,
    refusals: unknown.map(
      (one) => refuse('dispatch_unknown', `No batch or dispatch ${one.name}.`).refusal,
    ),
  }
}

import type { Command } from 'commander'
import { z } from 'zod'
import { orThrow, refuse } from '#kernel/index.ts'
import { timeText } from '#platform/index.ts'
import { findOrder } from '#orders/index.ts'
import { returnOrder, returnsOfOrder } from '#reconciliation/index.ts'
import type { OrderReturn } from '#reconciliation/index.ts'
import { addCommand, addGroup } from './command.ts'
import { money, table, time } from './format-text.ts'
import { cliActor, withInstallation } from './with-installation.ts'

const PART = /^(\d{1,6}):(\d{1,7}):(restock|damaged)$/

const parts = z
  .array(z.string())
  .min(1)
  .transform((texts, context) =>
    texts.map((text) => {
      const found = PART.exec(text)
      if (!found) {
        context.addIssue('each is LINE:QTY:restock or LINE:QTY:damaged, as in 1:2:restock')
        return z.NEVER
      }
      const condition = found[3] === 'damaged' ? ('damaged' as const) : ('restock' as const)
      return { line: Number(found[1]), qty: Number(found[2]), condition }
    }),
  )

/** `returns record|list`. */
export function addReturnCommands(program: Command): void {
  const group = addGroup(
    program,
    'returns',
    'what came back of orders, and what was credited for it',
  )
  addCommand(group, {
    usage: 'record <order> <parts...>',
    summary: 'record returned lines of an order, all of them or nothing; the id counts once',
    example: 'holdfast returns record 536365 1:2:restock 3:1:damaged --id RMA-17',
    options: [
      ['--id <id>', 'your own id of this return: the same again changes nothing'],
      ['--at <time>', 'when it came back, ISO 8601; now where absent'],
      ['--note <text>', 'why, in your own words'],
    ],
    input: z.object({
      order: z.string(),
      parts,
      id: z.string('names the return').regex(/^[\x21-\x7e]{1,64}$/, 'printable ASCII, at most 64'),
      at: timeText.optional(),
      note: z.string().min(1).max(500).optional(),
    }),
    run: (wish) =>
      withInstallation(async ({ context }) => {
        const done = orThrow(
          await returnOrder(context, {
            order: wish.order,
            id: wish.id,
            actor: cliActor(),
            source: 'cli',
            returnedAt: wish.at ?? new Date(context.clock.nowMs()).toISOString(),
            note: wish.note,
            lines: wish.parts,
          }),
        )
        const returns = await returnsOfOrder(context.database, context.merchant, done.orderId)
        const own = returns.filter((one) => one.return_id === wish.id)
        const head = done.wasNew ? `Recorded ${wish.id}.` : `${wish.id} was recorded before.`
        return {
          json: { return_id: wish.id, order_id: done.orderId, was_new: done.wasNew, lines: own },
          text: `${head}\n${returnTable(own)}`,
        }
      }),
  })
  addCommand(group, {
    usage: 'list <order>',
    summary: 'what came back of an order; its id, or the merchant reference',
    example: 'holdfast returns list 536365',
    input: z.object({ order: z.string() }),
    run: ({ order }) =>
      withInstallation(async ({ context: { database, merchant } }) => {
        const found = await findOrder(database, merchant, order)
        const { id } = orThrow(
          found ? { ok: true, value: found } : refuse('order_unknown', `No order ${order}.`),
        )
        const returns = await returnsOfOrder(database, merchant, id)
        return { json: { order_id: id, returns }, text: returnTable(returns) }
      }),
  })
}

/** Returned lines as a table. */
export function returnTable(returns: readonly OrderReturn[]): string {
  return table(
    ['RETURN', 'LINE', 'SKU', 'QTY', 'CONDITION', 'REFUND', 'STATE', 'AT'],
    returns.map((one) => [
      one.return_id,
      one.line_no,
      one.sku,
      one.qty,
      one.condition,
      money(one.refund_minor, one.currency),
      one.reason === null ? one.state : `${one.state}: ${one.reason}`,
      time(one.returned_at),
    ]),
  )
}

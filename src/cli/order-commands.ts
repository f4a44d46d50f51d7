import type { Command } from 'commander'
import { z } from 'zod'
import { orThrow } from '#kernel/index.ts'
import { casesOfOrder } from '#cases/index.ts'
import { orderFulfillmentStory } from '#fulfillment/index.ts'
import {
  fulfillmentClient,
  listDecisions,
  listOrderEvents,
  listOrders,
  withdrawOrder,
} from '#orders/index.ts'
import { returnsOfOrder } from '#reconciliation/index.ts'
import { addCommand, addGroup, limitOption } from './command.ts'
import { addDecideCommand } from './decide-command.ts'
import { money, table, time } from './format-text.ts'
import { orderOf } from './order-of.ts'
import { storyText } from './story-text.ts'
import { cliActor, cliConfig, withInstallation } from './with-installation.ts'

const ID = 'its id, or the merchant reference'
const reason = z.string('says why').min(1).max(500)

/** `orders list|show|decide|cancel|reject`. */
export function addOrderCommands(program: Command): void {
  const group = addGroup(program, 'orders', 'look at orders, decide on them, take them back')
  addListCommand(group)
  addCommand(group, {
    usage: 'show <id>',
    summary: `the whole story of one order, with times; ${ID}`,
    example: 'holdfast orders show 536365',
    input: z.object({ id: z.string() }),
    run: ({ id }) =>
      withInstallation(async ({ context }) => {
        const { database, merchant } = context
        const order = await orderOf(context, id)
        const [decisions, events, fulfillment, returns, cases] = await Promise.all([
          listDecisions(database, merchant, order.id),
          listOrderEvents(database, merchant, order.id),
          orderFulfillmentStory(database, merchant, order.id),
          returnsOfOrder(database, merchant, order.id),
          casesOfOrder(database, merchant, order.id),
        ])
        const story = { order, decisions, events, fulfillment, returns, cases }
        return { json: story, text: storyText(story) }
      }),
  })
  addDecideCommand(group)
  for (const kind of ['cancel', 'reject'] as const) addWithdrawCommand(group, kind)
}

function addListCommand(group: Command): void {
  addCommand(group, {
    usage: 'list',
    summary: 'orders, newest first',
    example: 'holdfast orders list --verdict hold --limit 50',
    options: [
      ['--state <state>', 'placed, cancelled, rejected'],
      ['--verdict <verdict>', 'hold, clear, unset'],
      ['--limit <n>', 'how many, 1 to 1000 (default 20)'],
      ['--after <id>', 'the last id of the page before'],
    ],
    input: z.object({
      state: z.enum(['placed', 'cancelled', 'rejected', 'partly_cancelled']).optional(),
      verdict: z.enum(['hold', 'clear', 'unset']).optional(),
      limit: limitOption,
      after: z.string().optional(),
    }),
    run: (page) =>
      withInstallation(async ({ context }) => {
        const orders = await listOrders(context.database, context.merchant, page)
        const next = orders.length === page.limit ? (orders.at(-1)?.id ?? null) : null
        return {
          json: { orders, next },
          text: table(
            ['ID', 'REFERENCE', 'STATE', 'VERDICT', 'REASONS', 'TOTAL', 'PLACED'],
            orders.map((one) => [
              one.id,
              one.reference,
              one.state,
              one.verdict,
              one.reasons.join(','),
              money(one.total_minor, one.currency),
              time(one.placed_at),
            ]),
          ),
        }
      }),
  })
}

function addWithdrawCommand(group: Command, kind: 'cancel' | 'reject'): void {
  addCommand(group, {
    usage: `${kind} <id>`,
    summary:
      kind === 'cancel'
        ? 'cancel an order, and release its stock; what is sealed is asked back from its partners'
        : 'reject an order in review, and release its stock',
    example: `holdfast orders ${kind} 536365 --reason "asked for by the buyer"`,
    options: [['--reason <text>', 'why; the order keeps it']],
    input: z.object({ id: z.string(), reason }),
    run: (wish) =>
      withInstallation(async ({ context, placing, masterKey }) => {
        const order = await orderOf(context, wish.id)
        const { fulfillmentUrl } = await import('#roles/index.ts')
        const { withdraw } = fulfillmentClient(await fulfillmentUrl(cliConfig()), masterKey)
        const done = orThrow(
          await withdrawOrder(placing.deps, withdraw, {
            orderId: order.id,
            kind,
            actor: cliActor(),
            reason: wish.reason,
          }),
        )
        const words =
          done.state === 'done'
            ? PAST[kind]
            : done.state === 'recalling'
              ? `is to be ${PAST[kind]}: its partners are asked to give it back`
              : `is to be ${PAST[kind]}: fulfillment does not answer now and will be asked again`
        return {
          json: { order_id: order.id, withdrawal_id: done.withdrawalId || null, state: done.state },
          text: `${order.id} ${words}.`,
        }
      }),
  })
}

const PAST = { cancel: 'cancelled', reject: 'rejected' } as const

import type { Command } from 'commander'
import { z } from 'zod'
import { orThrow } from '#kernel/index.ts'
import { decideOrder, fulfillmentClient } from '#orders/index.ts'
import type { Decided } from '#orders/index.ts'
import { addCommand } from './command.ts'
import { table } from './format-text.ts'
import { orderOf } from './order-of.ts'
import { cliActor, cliConfig, withInstallation } from './with-installation.ts'

/** `orders decide`. */
export function addDecideCommand(group: Command): void {
  addCommand(group, {
    usage: 'decide <id> <verdict>',
    summary:
      'hold or clear an order, and see what becomes of each part; a clear can be undone by a hold for 10 seconds',
    example: 'holdfast orders decide 536365 clear --reason "called the buyer"',
    options: [['--reason <text>', 'why; the order keeps it']],
    input: z.object({
      id: z.string(),
      verdict: z.enum(['hold', 'clear']),
      reason: z.string('says why').min(1).max(500),
    }),
    run: (wish) =>
      withInstallation(async ({ context, placing, masterKey }) => {
        const order = await orderOf(context, wish.id)
        const { fulfillmentUrl } = await import('#roles/index.ts')
        const { decide } = fulfillmentClient(await fulfillmentUrl(cliConfig()), masterKey)
        const { answer } = orThrow(
          await decideOrder(placing.deps, decide, {
            orderId: order.id,
            verdict: wish.verdict,
            reason: wish.reason,
            actor: cliActor(),
          }),
        )
        return { json: { order_id: order.id, ...answer }, text: textOf(order.id, answer) }
      }),
  })
}

type Answer = Decided['answer']

const OUTCOMES: Readonly<Record<Answer['outcome'], string>> = {
  held: 'It is held: nothing of it leaves.',
  recalling:
    'The decision holds it. Its partners are asked to give it back, and it may still leave.',
  partly_shipped: 'Part of it has left; the rest is held or asked back.',
  cleared: 'It is cleared.',
}

const STATES: Readonly<Record<Answer['parts'][number]['state'], string>> = {
  held: 'held',
  open: 'not sealed yet',
  with_partner: 'with its partner',
  asked_back: 'asked back; may still leave',
  left: 'has left',
  ended: 'withdrawn or recalled',
}

function textOf(order: string, answer: Answer): string {
  const { verdict, number, effective_at, outcome, parts } = answer
  const head = `${order}: ${verdict}, decision ${number}, effective ${effective_at}. ${OUTCOMES[outcome]}`
  if (parts.length === 0) return `${head}\nFulfillment has nothing of it yet.`
  const rows = parts.map((one) => [
    one.fulfillment_id,
    one.partner_id,
    one.location_id,
    STATES[one.state],
    String(one.parcels),
  ])
  return `${head}\n${table(['PART', 'PARTNER', 'LOCATION', 'NOW', 'PARCELS LEFT'], rows)}`
}

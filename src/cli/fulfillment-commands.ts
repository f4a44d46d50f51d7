import type { Command } from 'commander'
import { z } from 'zod'
import { orThrow } from '#kernel/index.ts'
import { releaseShort, resendRejected } from '#fulfillment/index.ts'
import { addCommand, addGroup } from './command.ts'
import { cliActor, withInstallation } from './with-installation.ts'

const input = z.object({ id: z.string(), reason: z.string('says why').min(1).max(500) })
const REASON = ['--reason <text>', 'why, for the audit trail'] as const

/** `fulfillment resend|release-short`. */
export function addFulfillmentCommands(program: Command): void {
  const group = addGroup(
    program,
    'fulfillment',
    'what becomes of units that a partner will not ship',
  )
  addCommand(group, {
    usage: 'resend <id>',
    summary: 'send a rejected fulfillment order to its partner again, under the same order key',
    example: 'holdfast fulfillment resend ful_0123 --reason "ShipCo has it again"',
    options: [REASON],
    input,
    run: ({ id, reason }) =>
      withInstallation(async ({ context }) => {
        const change = { fulfillment: id, actor: cliActor(), reason }
        const { state } = orThrow(await resendRejected(context, change))
        return { json: { id, state }, text: `${id} is ${state}: it goes to its partner again.` }
      }),
  })
  addCommand(group, {
    usage: 'release-short <id>',
    summary: 'give up the units that a partner will not ship; their stock is free again',
    example: 'holdfast fulfillment release-short ful_0123 --reason "refunded"',
    options: [REASON],
    input,
    run: ({ id, reason }) =>
      withInstallation(async ({ context }) => {
        const change = { fulfillment: id, actor: cliActor(), reason }
        const { state, units } = orThrow(await releaseShort(context, change))
        return {
          json: { id, state, units },
          text: `${units} units are free again; ${id} is ${state}.`,
        }
      }),
  })
}

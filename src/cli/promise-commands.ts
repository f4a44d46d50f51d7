import type { Command } from 'commander'
import { z } from 'zod'
import { policyBody, promisePolicies, setPromisePolicy, WEEKDAYS } from '#orders/index.ts'
import type { SetPolicy } from '#orders/index.ts'
import { addCommand, addGroup, wholeNumber } from './command.ts'
import { table, time } from './format-text.ts'
import { cliActor, withInstallation } from './with-installation.ts'

/** `promises show|set`. */
export function addPromiseCommands(program: Command): void {
  const group = addGroup(
    program,
    'promises',
    'by when an order leaves that brings no promise itself',
  )
  addCommand(group, {
    usage: 'show',
    summary: 'the policy in force, and those before it',
    example: 'holdfast promises show',
    input: z.object({}),
    run: () =>
      withInstallation(async ({ context }) => {
        const policies = await promisePolicies(context.database, context.merchant)
        return { json: { policies: policies.map(policyBody) }, text: policyTable(policies) }
      }),
  })
  addCommand(group, {
    usage: 'set',
    summary: 'make promises otherwise from now on; orders that were taken keep theirs',
    example: 'holdfast promises set --handling-days 1 --reason "second shift"',
    options: [
      ['--handling-days <n>', 'working days from taking an order to its promise, 0 to 365'],
      ['--working-days <days>', `comma-separated, of ${WEEKDAYS.join(', ')}; absent: as they are`],
      ['--reason <text>', 'why; the audit table keeps it'],
    ],
    input: z.object({
      handlingDays: wholeNumber(0, 365),
      workingDays: z
        .string()
        .transform((text) => text.split(',').map((day) => day.trim()))
        .pipe(z.array(z.enum(WEEKDAYS, `days are ${WEEKDAYS.join(', ')}`)).min(1))
        .transform((days) => WEEKDAYS.filter((day) => days.includes(day)))
        .optional(),
      reason: z.string('says why').min(1).max(500),
    }),
    run: ({ handlingDays, workingDays, reason }) =>
      withInstallation(async ({ context }) => {
        const actor = cliActor()
        const set = await setPromisePolicy(context, { handlingDays, workingDays, reason, actor })
        return { json: policyBody(set), text: policyTable([set]) }
      }),
  })
}

function policyTable(policies: readonly SetPolicy[]): string {
  return table(
    ['VERSION', 'HANDLING DAYS', 'WORKING DAYS', 'SET', 'BY', 'REASON'],
    policies.map((one) => [
      one.version,
      one.handlingDays,
      one.workingDays.join(','),
      time(one.at),
      one.actor ?? 'built in',
      one.reason,
    ]),
  )
}

import type { Command } from 'commander'
import { z } from 'zod'
import { orThrow } from '#kernel/index.ts'
import { pausePartner, resumePartner } from '#partners/index.ts'
import { addCommand } from './command.ts'
import { cliActor, withInstallation } from './with-installation.ts'

const ACTS = [
  {
    act: 'pause',
    change: pausePartner,
    summary: 'stop sending to a partner; what is on its way is finished, recalls still go out',
    example: 'holdfast partners pause shipco --reason "stock-taking until noon"',
    done: 'is sent nothing until `partners resume`',
  },
  {
    act: 'resume',
    change: resumePartner,
    summary: 'send to a paused partner again',
    example: 'holdfast partners resume shipco --reason "it has our new secret"',
    done: 'is sent to again',
  },
] as const

/** `partners pause|resume`. */
export function addPauseCommands(group: Command): void {
  for (const { act, change, summary, example, done } of ACTS) {
    addCommand(group, {
      usage: `${act} <id>`,
      summary,
      example,
      options: [['--reason <text>', 'why, for the audit trail']],
      input: z.object({ id: z.string(), reason: z.string('says why').min(1) }),
      run: ({ id, reason }) =>
        withInstallation(async ({ context }) => {
          orThrow(await change(context, { partner: id, reason, actor: cliActor() }))
          return { json: { id, [act]: true }, text: `${id} ${done}.` }
        }),
    })
  }
}

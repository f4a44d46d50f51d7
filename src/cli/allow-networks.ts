import type { Command } from 'commander'
import { z } from 'zod'
import { orThrow } from '#kernel/index.ts'
import { allowNetworks, setDelivery } from '#partners/index.ts'
import { addCommand } from './command.ts'
import { cliActor, withInstallation } from './with-installation.ts'

/** `partners allow`. */
export function addAllowCommand(group: Command): void {
  addCommand(group, {
    usage: 'allow <id>',
    summary: 'say in which private networks a partner may be, in place of those before',
    example: 'holdfast partners allow shipco --networks 10.20.0.0/16 --reason "VPN of ShipCo"',
    options: [
      ['--networks <cidr,...>', 'networks in CIDR notation; none where empty'],
      ['--reason <text>', 'why, for the audit trail'],
    ],
    input: z.object({
      id: z.string(),
      networks: z
        .string('names the networks, or is empty')
        .transform((text) => text.split(',').map((one) => one.trim()))
        .transform((all) => all.filter((one) => one !== '')),
      reason: z.string('says why').min(1),
    }),
    run: ({ id, networks, reason }) =>
      withInstallation(async ({ context }) => {
        const change = { partner: id, networks, reason, actor: cliActor() }
        orThrow(await allowNetworks(context, change))
        const told = networks.length === 0 ? 'no private network' : networks.join(', ')
        return { json: { id, allowed_networks: networks }, text: `${id} may be in ${told}.` }
      }),
  })
}

/** `partners deliver`. */
export function addDeliverCommand(group: Command): void {
  addCommand(group, {
    usage: 'deliver <id> <way>',
    summary: 'send a partner its dispatches (push), or announce them and let it fetch them (pull)',
    example: 'holdfast partners deliver shipco pull --reason "its firewall takes no bodies"',
    options: [['--reason <text>', 'why, for the audit trail']],
    input: z.object({
      id: z.string(),
      way: z.enum(['push', 'pull'], 'push or pull'),
      reason: z.string('says why').min(1),
    }),
    run: ({ id, way, reason }) =>
      withInstallation(async ({ context }) => {
        orThrow(
          await setDelivery(context, { partner: id, delivery: way, reason, actor: cliActor() }),
        )
        return { json: { id, delivery: way }, text: `${id}: ${way} from its next dispatch on.` }
      }),
  })
}

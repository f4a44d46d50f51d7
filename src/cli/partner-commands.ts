import type { Command } from 'commander'
import { z } from 'zod'
import { orThrow } from '#kernel/index.ts'
import { listLanes } from '#fulfillment/index.ts'
import { addLocation } from '#inventory/index.ts'
import { listPartners, registerPartner } from '#partners/index.ts'
import type { Partner } from '#partners/index.ts'
import { withTransaction } from '#platform/index.ts'
import { addAllowCommand, addDeliverCommand } from './allow-networks.ts'
import { addCommand, addGroup } from './command.ts'
import { table, time } from './format-text.ts'
import { addPauseCommands } from './pause-commands.ts'
import { addSecretCommands } from './partner-secret-commands.ts'
import { addProbeCommand } from './probe-command.ts'
import { cliActor, withInstallation } from './with-installation.ts'

/** `partners add|list|allow|deliver|pause|resume|probe|secrets|rotate-secret|retire-secret`. */
export function addPartnerCommands(program: Command): void {
  const group = addGroup(program, 'partners', 'fulfillment partners and their stock locations')
  addAllowCommand(group)
  addDeliverCommand(group)
  addPauseCommands(group)
  addCommand(group, {
    usage: 'add <id>',
    summary:
      'register a partner with its stock location; again with the same address changes nothing',
    example: 'holdfast partners add shipco --url https://api.shipco.example',
    options: [
      ['--url <url>', 'the root of its API'],
      ['--name <name>', 'its name; the id where absent'],
      ['--secret <whsec>', 'signs what we send; made and shown once where absent'],
      ['--event-secret <whsec>', 'signs what it sends; the same as --secret where absent'],
      ['--allow-private', 'its address may be private or loopback; `partners allow` narrows it'],
    ],
    input: z.object({
      id: z.string(),
      url: z.string('names the root of the partner API'),
      name: z.string().optional(),
      secret: z.string().optional(),
      eventSecret: z.string().optional(),
      allowPrivate: z.boolean().default(false),
    }),
    run: ({ id, url, name, secret, eventSecret, allowPrivate }) =>
      withInstallation(async ({ context, masterKey }) => {
        const event = eventSecret ?? secret
        const registered = orThrow(
          await registerPartner(context, masterKey, {
            id,
            url,
            allowPrivate,
            actor: cliActor(),
            ...(name === undefined ? {} : { name }),
            secrets: {
              ...(secret === undefined ? {} : { dispatch: secret }),
              ...(event === undefined ? {} : { event }),
            },
          }),
        )
        const { partner, newSecrets } = registered
        await withTransaction(context.database, (tx) =>
          addLocation(tx, context.merchant, { id: partner.locationId, name: partner.name }),
        )
        const lines = [
          newSecrets
            ? `Registered ${partner.id}, location ${partner.locationId}.`
            : `${partner.id} was registered before.`,
          ...(newSecrets && secret === undefined
            ? [`Secret of what we send (shown once): ${newSecrets.dispatch}`]
            : []),
          ...(newSecrets && event === undefined
            ? [`Secret of what it sends (shown once): ${newSecrets.event}`]
            : []),
        ]
        return {
          json: {
            partner: partnerJson(partner),
            was_new: newSecrets !== undefined,
            ...(newSecrets ? { secrets: newSecrets } : {}),
          },
          text: lines.join('\n'),
        }
      }),
  })
  addCommand(group, {
    usage: 'list',
    summary: 'every partner, its measured grade, and whether it is paused or its lane shut',
    example: 'holdfast partners list',
    input: z.object({}),
    run: () =>
      withInstallation(async ({ context }) => {
        const { database, merchant } = context
        const partners = await listPartners(database, merchant)
        const lanes = await listLanes(database, merchant)
        const shut = new Map(lanes.map((one) => [one.partner_id, one.reason]))
        const laneOf = (id: string): string | null => shut.get(id) ?? null
        return {
          json: {
            partners: partners.map((one) => ({ ...partnerJson(one), lane_shut: laneOf(one.id) })),
          },
          text: table(
            ['ID', 'NAME', 'GRADE', 'LOCATION', 'URL', 'PAUSED', 'LANE'],
            partners.map((one) => [
              one.id,
              one.name,
              one.grade,
              one.locationId,
              one.url,
              time(one.pausedAt),
              laneOf(one.id) === null ? 'open' : `shut: ${laneOf(one.id)}`,
            ]),
          ),
        }
      }),
  })
  addProbeCommand(group)
  addSecretCommands(group)
}

function partnerJson(partner: Partner) {
  return {
    id: partner.id,
    name: partner.name,
    url: partner.url,
    location_id: partner.locationId,
    grade: partner.grade,
    graded_at: partner.gradedAt,
    key_ttl_s: partner.keyTtlS,
    processing_delay_s: partner.processingDelayS,
    lookup_lag_ms: partner.lookupLagMs,
    concurrency_max: partner.concurrencyMax,
    delivery: partner.delivery,
    allow_private: partner.allowPrivate.length > 0,
    allowed_networks: partner.allowPrivate,
    paused_at: partner.pausedAt,
    paused_reason: partner.pausedReason,
  }
}

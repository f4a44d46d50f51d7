import type { Command } from 'commander'
import { z } from 'zod'
import { orThrow, refuse } from '#kernel/index.ts'
import {
  findPartner,
  partnerSecretStates,
  retirePartnerSecret,
  rotatePartnerSecret,
} from '#partners/index.ts'
import { addCommand, wholeNumber } from './command.ts'
import { table, time } from './format-text.ts'
import { cliActor, withInstallation } from './with-installation.ts'

const direction = z.enum(['dispatch', 'event'], 'dispatch (what we send) or event (what it sends)')
const reason = z.string('says why').min(1).max(500)
const REASON = ['--reason <text>', 'why, for the audit trail'] as const
const COMPROMISED = ['--compromised', 'it leaked: what is old ends now, in use or not'] as const

/** `partners secrets`, `partners rotate-secret`, `partners retire-secret`. */
export function addSecretCommands(group: Command): void {
  addCommand(group, {
    usage: 'secrets <id>',
    summary: 'which secrets of a partner are live and when each was last used; never the secrets',
    example: 'holdfast partners secrets shipco',
    input: z.object({ id: z.string() }),
    run: ({ id }) =>
      withInstallation(async ({ context }) => {
        if (!(await findPartner(context.database, context.merchant, id))) {
          orThrow(refuse('partner_unknown', `No partner ${id}.`))
        }
        const dispatch = await partnerSecretStates(context, id, 'dispatch')
        const event = await partnerSecretStates(context, id, 'event')
        const rows = [
          ...dispatch.map((one) => ({ ...one, direction: 'dispatch' })),
          ...event.map((one) => ({ ...one, direction: 'event' })),
        ]
        return {
          json: { dispatch, event },
          text: table(
            ['DIRECTION', 'NUMBER', 'LIVE', 'MADE', 'OVERLAP UNTIL', 'LAST USED', 'ENDED'],
            rows.map((one) => [
              one.direction,
              String(one.number),
              one.is_live ? 'yes' : 'no',
              time(one.created_at),
              time(one.overlap_until),
              time(one.last_used_at),
              time(one.ended_at),
            ]),
          ),
        }
      }),
  })
  addCommand(group, {
    usage: 'rotate-secret <id> <direction>',
    summary: 'make a new secret, shown once; the old one is live beside it for a day, or as told',
    example: 'holdfast partners rotate-secret shipco event --reason "yearly rotation"',
    options: [
      ['--overlap <seconds>', 'how long both are live, 60 to 604800 (default 86400)'],
      COMPROMISED,
      REASON,
    ],
    input: z.object({
      id: z.string(),
      direction,
      overlap: wholeNumber(60, 604_800).optional(),
      compromised: z.boolean().default(false),
      reason,
    }),
    run: ({ id, overlap, compromised, ...rest }) =>
      withInstallation(async ({ context, masterKey }) => {
        const { secret, number, overlapS } = orThrow(
          await rotatePartnerSecret(context, masterKey, {
            ...rest,
            partner: id,
            actor: cliActor(),
            overlapS: overlap,
            isCompromised: compromised,
          }),
        )
        const old =
          overlapS === 0
            ? 'The ones before it have ended.'
            : `The one before it is live for ${overlapS} s more.`
        return {
          json: { id, direction: rest.direction, secret, number, overlap_seconds: overlapS },
          text: `Secret ${number} (shown once): ${secret}\n${old}`,
        }
      }),
  })
  addCommand(group, {
    usage: 'retire-secret <id> <direction> <number>',
    summary: 'end one live secret now; refused while it is in use, unless it leaked',
    example: 'holdfast partners retire-secret shipco event 1 --reason "ShipCo signs with 2"',
    options: [COMPROMISED, REASON],
    input: z.object({
      id: z.string(),
      direction,
      number: wholeNumber(1, 1_000_000),
      compromised: z.boolean().default(false),
      reason,
    }),
    run: ({ id, compromised, number, ...rest }) =>
      withInstallation(async ({ context }) => {
        const change = { ...rest, partner: id, number, isCompromised: compromised }
        orThrow(await retirePartnerSecret(context, { ...change, actor: cliActor() }))
        return {
          json: { id, direction: rest.direction, number, retired: true },
          text: `Secret ${number} of ${id} (${rest.direction}) has ended.`,
        }
      }),
  })
}

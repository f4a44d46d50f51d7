import type { Command } from 'commander'
import { z } from 'zod'
import { orThrow, refuse } from '#kernel/index.ts'
import { dispatchEvidence, listDispatches, resolveDispatch } from '#fulfillment/index.ts'
import type { DispatchEvidence } from '#fulfillment/index.ts'
import { addCommand, addGroup, limitOption } from './command.ts'
import { table, time } from './format-text.ts'
import { cliActor, withInstallation } from './with-installation.ts'

const STATES = [
  'queued',
  'sending',
  'unknown',
  'accepted',
  'rejected',
  'needs_operator',
  'quarantined',
  'recalling',
  'recalled',
  'recall_partial',
  'too_late',
] as const

/** `dispatches list|show|resolve`. */
export function addDispatchCommands(program: Command): void {
  const group = addGroup(program, 'dispatches', 'sealed batches on their way to partners')
  addCommand(group, {
    usage: 'list',
    summary: 'dispatches, newest first',
    example: 'holdfast dispatches list --state unknown',
    options: [
      ['--state <state>', STATES.join(', ')],
      ['--partner <id>', 'of one partner'],
      ['--at-risk', 'only those with an order whose promise is in danger'],
      ['--limit <n>', 'how many, 1 to 1000 (default 20)'],
      ['--before <id>', 'older than this dispatch: the last id of the page before'],
    ],
    input: z.object({
      state: z.enum(STATES).optional(),
      partner: z.string().optional(),
      atRisk: z.boolean().default(false),
      limit: limitOption,
      before: z.string().optional(),
    }),
    run: ({ state, partner, atRisk, limit, before }) =>
      withInstallation(async ({ context }) => {
        const dispatches = await listDispatches(context.database, context.merchant, {
          limit,
          isAtRisk: atRisk,
          ...(state === undefined ? {} : { state }),
          ...(partner === undefined ? {} : { partner }),
          ...(before === undefined ? {} : { before }),
        })
        return {
          json: { dispatches },
          text: table(
            ['ID', 'PARTNER', 'STATE', 'ATTEMPTS', 'SEALED', 'SHIP BY', 'LAST CODE'],
            dispatches.map((one) => [
              one.id,
              one.partner_id,
              one.state,
              one.attempt,
              time(one.sealed_at),
              time(one.ship_by),
              one.last_code,
            ]),
          ),
        }
      }),
  })
  addCommand(group, {
    usage: 'show <id>',
    summary:
      'the evidence of a dispatch: its key, digest and bytes by their hash, attempts and replies',
    example: 'holdfast dispatches show dsp_01k9…',
    input: z.object({ id: z.string() }),
    run: ({ id }) =>
      withInstallation(async ({ context }) => {
        const found = await dispatchEvidence(context.database, context.merchant, id)
        const one = orThrow(
          found ? { ok: true, value: found } : refuse('dispatch_unknown', `No dispatch ${id}.`),
        )
        return { json: one, text: evidenceText(one) }
      }),
  })
  addResolveCommand(group)
}

const OUTCOMES = { received: 'received', 'not-received': 'not_received', recall: 'recall' } as const

function addResolveCommand(group: Command): void {
  addCommand(group, {
    usage: 'resolve <id> <outcome>',
    summary:
      'answer a dispatch in doubt, after asking its partner: received, not-received (sent again, the same), recall',
    example: 'holdfast dispatches resolve dsp_01k9… received --note "Kim at ShipCo has all of it"',
    options: [['--note <text>', 'what the partner told you; the audit keeps it']],
    input: z.object({
      id: z.string(),
      outcome: z.enum(['received', 'not-received', 'recall'], 'received, not-received or recall'),
      note: z.string('says what the partner told you').min(1).max(500),
    }),
    run: ({ id, outcome, note }) =>
      withInstallation(async ({ context }) => {
        const answer = { dispatch: id, outcome: OUTCOMES[outcome], note, actor: cliActor() }
        const { state } = orThrow(await resolveDispatch(context, answer))
        return { json: { id, state }, text: `${id} is now ${state}.` }
      }),
  })
}

function evidenceText(one: DispatchEvidence): string {
  const { sealed } = one
  const head = [
    `Dispatch ${one.id}  ${one.partner_id}  ${one.state}  ${one.last_code ?? ''}`,
    `key ${one.key}, sequence ${one.sequence}, batch ${one.batch_id}, revision ${one.revision}`,
    `content ${one.content_sha256}`,
    `bytes   ${sealed.bytes_sha256 ?? 'none'}, ${sealed.bytes_length ?? 0} of them, proof ${sealed.proof_key_id ?? 'none'}`,
    `sealed ${time(one.sealed_at)}, first attempt ${time(one.first_attempt_at)}, ships by ${time(one.ship_by)}`,
  ]
  const attempts = table(
    ['ATTEMPT', 'AT', 'UNTIL', 'CLASS', 'STATUS', 'CODE', 'REPLY'],
    one.attempts.map((a) => [
      a.attempt,
      time(a.started_at),
      time(a.finished_at),
      a.class,
      a.status,
      a.code,
      a.response?.replaceAll(/\s+/g, ' ').slice(0, 120) ?? null,
    ]),
  )
  const lines = table(
    ['FULFILLMENT', 'ORDER', 'DECISION', 'LINE'],
    one.lines.map((line) => [line.fulfillment_id, line.order_id, line.decision_id, line.state]),
  )
  return [head.join('\n'), attempts, lines].join('\n\n')
}

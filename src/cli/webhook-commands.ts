import type { Command } from 'commander'
import { z } from 'zod'
import { orThrow, refuse, RefusedError } from '#kernel/index.ts'
import type { RefusalCode } from '#kernel/index.ts'
import {
  createSubscription,
  deleteSubscription,
  deliveryJson,
  EVENT_NAMES,
  findDelivery,
  findSubscription,
  listDeliveries,
  listSubscriptions,
  pauseSubscription,
  replayDelivery,
  resumeSubscription,
  rotateSecret,
  subscriptionJson,
} from '#subscriptions/index.ts'
import { addCommand, addGroup, limitOption, wholeNumber } from './command.ts'
import { table, time } from './format-text.ts'
import { cliActor, withInstallation } from './with-installation.ts'

/** `webhooks add|list|pause|resume|rotate|delete|deliveries|replay`. */
export function addWebhookCommands(program: Command): void {
  const group = addGroup(program, 'webhooks', 'endpoints that are told of events')
  addAdd(group)
  addList(group)
  addChange(group, 'pause', pauseSubscription, 'stop delivering; nothing is lost')
  addChange(group, 'resume', resumeSubscription, 'deliver again from where it stopped')
  addChange(group, 'delete', deleteSubscription, 'end a subscription; what waits is not sent')
  addRotate(group)
  addDeliveries(group)
  addReplay(group)
}

const eventNames = z
  .string()
  .transform((text) => text.split(',').map((name) => name.trim()))
  .pipe(z.array(z.enum(EVENT_NAMES, `one of ${EVENT_NAMES.join(', ')}`)))
  .optional()

function addAdd(group: Command): void {
  addCommand(group, {
    usage: 'add <url>',
    summary: 'subscribe an endpoint; its secret is shown once',
    example: 'holdfast webhooks add https://shop.example/hooks --events order.held,order.cleared',
    options: [
      ['--events <names>', 'which events, with commas between; all where absent'],
      ['--description <text>', 'what it is for'],
      ['--from <cursor>', 'where to begin: a cursor of the feed, start or latest (default)'],
      ['--concurrency <n>', 'requests under way at once, 1 to 16 (default 8)'],
      ['--allow-private', 'its address may be private or loopback'],
    ],
    input: z.object({
      url: z.string(),
      events: eventNames,
      description: z.string().max(200).optional(),
      from: z.string().optional(),
      concurrency: wholeNumber(1, 16).optional(),
      allowPrivate: z.boolean().default(false),
    }),
    run: ({ url, events, description, from, concurrency, allowPrivate }) =>
      withInstallation(async ({ context, masterKey }) => {
        const { id, secret } = orThrow(
          await createSubscription(context, masterKey, {
            url,
            allowPrivate,
            actor: cliActor(),
            ...(events === undefined ? {} : { events }),
            ...(description === undefined ? {} : { description }),
            ...(from === undefined ? {} : { from }),
            ...(concurrency === undefined ? {} : { concurrencyMax: concurrency }),
          }),
        )
        return {
          json: { id, secret },
          text: `Subscribed ${id}.\nSecret (shown once): ${secret}`,
        }
      }),
  })
}

function addList(group: Command): void {
  addCommand(group, {
    usage: 'list',
    summary: 'every subscription, and whether it is paused or failing',
    example: 'holdfast webhooks list',
    input: z.object({}),
    run: () =>
      withInstallation(async ({ context }) => {
        const all = await listSubscriptions(context.database, context.merchant)
        return {
          json: { subscriptions: all.map(subscriptionJson) },
          text: table(
            ['ID', 'URL', 'EVENTS', 'PAUSED', 'WHY', 'FAILURES'],
            all.map((one) => [
              one.id,
              one.url,
              one.events.length === 0 ? 'all' : one.events.join(','),
              time(one.pausedAt),
              one.pausedReason ?? '-',
              one.failures,
            ]),
          ),
        }
      }),
  })
}

function addChange(
  group: Command,
  act: 'pause' | 'resume' | 'delete',
  change: typeof pauseSubscription,
  summary: string,
): void {
  addCommand(group, {
    usage: `${act} <id>`,
    summary,
    example: `holdfast webhooks ${act} whs_0123 --reason "receiver moves tonight"`,
    options: [['--reason <text>', 'why; the audit table keeps it']],
    input: z.object({ id: z.string(), reason: z.string('says why').min(1).max(500) }),
    run: ({ id, reason }) =>
      withInstallation(async ({ context }) => {
        orThrow(await change(context, { subscription: id, actor: cliActor(), reason }))
        return { json: { id, [act]: true }, text: `${id}: ${act} done.` }
      }),
  })
}

function addRotate(group: Command): void {
  addCommand(group, {
    usage: 'rotate <id>',
    summary: 'make a new secret, shown once; the old one signs beside it for a day',
    example: 'holdfast webhooks rotate whs_0123',
    options: [['--overlap <seconds>', 'how long both sign, 0 to 604800 (default 86400)']],
    input: z.object({ id: z.string(), overlap: wholeNumber(0, 604_800).optional() }),
    run: ({ id, overlap }) =>
      withInstallation(async ({ context, masterKey }) => {
        const { secret, overlapS } = orThrow(
          await rotateSecret(context, masterKey, {
            subscription: id,
            actor: cliActor(),
            ...(overlap === undefined ? {} : { overlapS: overlap }),
          }),
        )
        return {
          json: { id, secret, overlap_seconds: overlapS },
          text: `Secret (shown once): ${secret}\nThe one before it signs too for ${overlapS} s.`,
        }
      }),
  })
}

function addDeliveries(group: Command): void {
  addCommand(group, {
    usage: 'deliveries <id>',
    summary: 'what was and is to be delivered, newest event first; or the attempts of one',
    example: 'holdfast webhooks deliveries whs_0123 --state failed',
    options: [
      ['--state <state>', 'pending, delivered or failed'],
      ['--delivery <id>', 'one delivery with its attempts'],
      ['--before <id>', 'older than this delivery: the last id of the page before'],
      ['--limit <n>', 'how many, 1 to 1000 (default 20)'],
    ],
    input: z.object({
      id: z.string(),
      state: z.enum(['pending', 'delivered', 'failed']).optional(),
      delivery: z.string().optional(),
      before: z.string().optional(),
      limit: limitOption,
    }),
    run: ({ id, state, delivery, before, limit }) =>
      withInstallation(async ({ context }) => {
        const { database, merchant } = context
        if (delivery !== undefined) return showDelivery(context, { subscription: id, delivery })
        const known = await findSubscription(database, merchant, id)
        if (!known) throw refused('subscription_unknown', `No subscription ${id}.`)
        const page = { subscription: id, state, before, limit }
        const rows = await listDeliveries(database, merchant, page)
        return {
          json: { deliveries: rows.map(deliveryJson) },
          text: table(
            ['ID', 'EVENT', 'STATE', 'ATTEMPTS', 'LAST', 'NEXT'],
            rows.map((one) => [
              one.id,
              one.type,
              one.state,
              one.attempt,
              one.last_code ?? '-',
              one.state === 'pending' ? time(one.next_attempt_at) : '-',
            ]),
          ),
        }
      }),
  })
}

async function showDelivery(
  { database, merchant }: Parameters<typeof replayDelivery>[0],
  at: { readonly subscription: string; readonly delivery: string },
) {
  const one = await findDelivery(database, merchant, at)
  if (!one) throw refused('delivery_unknown', `No delivery ${at.delivery}.`)
  const attempts = one.attempts.map((row) => ({
    ...row,
    response: row.response.toString('utf8'),
  }))
  return {
    json: { ...deliveryJson(one), body: one.body.toString('utf8'), log: attempts },
    text: table(
      ['ATTEMPT', 'AT', 'MS', 'OUTCOME', 'CODE'],
      attempts.map((row) => [
        row.attempt,
        time(row.started_at),
        row.duration_ms,
        row.outcome,
        row.code,
      ]),
    ),
  }
}

const refused = (code: RefusalCode, detail: string): RefusedError =>
  new RefusedError(refuse(code, detail).refusal)

function addReplay(group: Command): void {
  addCommand(group, {
    usage: 'replay <id> [delivery]',
    summary: 'send a delivery again under its own id; without one, all that were given up',
    example: 'holdfast webhooks replay whs_0123 msg_0123 --reason "receiver lost its database"',
    options: [['--reason <text>', 'why; the audit table keeps it']],
    input: z.object({
      id: z.string(),
      delivery: z.string().optional(),
      reason: z.string('says why').min(1).max(500),
    }),
    run: ({ id, delivery, reason }) =>
      withInstallation(async ({ context }) => {
        const { replayed } = orThrow(
          await replayDelivery(context, {
            subscription: id,
            actor: cliActor(),
            reason,
            ...(delivery === undefined ? {} : { delivery }),
          }),
        )
        return { json: { id, replayed }, text: `${replayed} queued again.` }
      }),
  })
}

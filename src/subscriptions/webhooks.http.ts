import { z } from 'zod'
import { accept, refuse } from '#kernel/index.ts'
import { idempotencyKey } from '#orders/index.ts'
import { route } from '#platform/index.ts'
import type { Access, AnyRoute, Context } from '#platform/index.ts'
import { createSubscription } from './create-subscription.ts'
import { deleteSubscription, pauseSubscription, resumeSubscription } from './change-subscription.ts'
import { EVENT_NAMES } from './event-catalog.ts'
import { findSubscription, listSubscriptions } from './subscription.ts'
import type { Subscription } from './subscription.ts'
import { rotateSecret } from './subscription-secrets.ts'

const READ: Access = { kind: 'scope', scope: 'webhooks:read' }
const WRITE: Access = { kind: 'scope', scope: 'webhooks:write' }
const idParams = z.object({ id: z.string().min(1).max(64) })
const reason = z.string().min(1).max(500)

/** What the routes of subscriptions are given. */
export type WebhookDeps = { readonly context: Context; readonly masterKey: Uint8Array }

/** `/admin/webhooks`: subscriptions and their secrets. An address is always of the public internet. */
export function subscriptionRoutes(deps: WebhookDeps): readonly AnyRoute[] {
  return [
    createRoute(deps),
    listRoute(deps),
    showRoute(deps),
    changeRoute(deps, 'pause'),
    changeRoute(deps, 'resume'),
    deleteRoute(deps),
    rotateRoute(deps),
  ]
}

/** A subscription as JSON; never a secret. */
export function subscriptionJson(one: Subscription) {
  return {
    id: one.id,
    url: one.url,
    description: one.description,
    events: one.events,
    allow_private: one.allowPrivate,
    concurrency_max: one.concurrencyMax,
    state: one.pausedAt === null ? 'active' : 'paused',
    paused_at: one.pausedAt,
    paused_reason: one.pausedReason,
    failures: one.failures,
    failing_since: one.failingSince,
    created_by: one.createdBy,
    created_at: one.createdAt,
  }
}

const createRoute = ({ context, masterKey }: WebhookDeps): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/webhooks',
    summary:
      'Subscribe an endpoint to events. The secret is in this answer only; takes an Idempotency-Key.',
    access: WRITE,
    audit: { action: 'webhook.created' },
    body: z.strictObject({
      url: z.string().min(1).max(2_000),
      description: z.string().max(200).optional(),
      events: z.array(z.enum(EVENT_NAMES)).max(EVENT_NAMES.length).optional(),
      concurrency_max: z.int().min(1).max(16).optional(),
      from: z.string().min(1).max(200).optional(),
    }),
    handle: async ({ body, caller, headers }) => {
      const header = headers['idempotency-key']
      const key = header === undefined ? undefined : idempotencyKey(header)
      if (key && !key.ok) return key
      const { url, description, events, concurrency_max: concurrencyMax, from } = body
      const made = await createSubscription(context, masterKey, {
        url,
        actor: caller.actor,
        ...(description === undefined ? {} : { description }),
        ...(events === undefined ? {} : { events }),
        ...(concurrencyMax === undefined ? {} : { concurrencyMax }),
        ...(from === undefined ? {} : { from }),
        ...(key ? { idempotencyKey: key.value } : {}),
      })
      if (!made.ok) return made
      const { id, secret, isReplay } = made.value
      const one = await findSubscription(context.database, context.merchant, id)
      if (!one) return unknown(id)
      return accept({
        status: 201,
        body: { ...subscriptionJson(one), ...(secret === undefined ? {} : { secret }) },
        ...(isReplay ? { headers: { 'idempotent-replayed': 'true' } } : {}),
      })
    },
  })

const listRoute = ({ context }: WebhookDeps): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/webhooks',
    summary: 'Webhook subscriptions, oldest first; there are at most 100.',
    access: READ,
    audit: { none: 'read' },
    handle: async () => {
      const all = await listSubscriptions(context.database, context.merchant)
      return accept({ status: 200, body: { items: all.map(subscriptionJson), next_cursor: null } })
    },
  })

const showRoute = ({ context }: WebhookDeps): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/webhooks/:id',
    summary: 'One webhook subscription.',
    access: READ,
    audit: { none: 'read' },
    params: idParams,
    handle: async ({ params }) => {
      const one = await findSubscription(context.database, context.merchant, params.id)
      return one ? accept({ status: 200, body: subscriptionJson(one) }) : unknown(params.id)
    },
  })

const CHANGES = {
  pause: {
    run: pauseSubscription,
    action: 'webhook.paused',
    summary: 'Stop delivering to a subscription; it keeps its place and loses nothing.',
  },
  resume: {
    run: resumeSubscription,
    action: 'webhook.resumed',
    summary: 'Deliver to a paused subscription again, from where it stopped.',
  },
} as const

const changeRoute = ({ context }: WebhookDeps, act: keyof typeof CHANGES): AnyRoute =>
  route({
    method: 'POST',
    path: `/admin/webhooks/:id/${act}`,
    summary: CHANGES[act].summary,
    access: WRITE,
    audit: { action: CHANGES[act].action },
    params: idParams,
    body: z.strictObject({ reason }),
    handle: async ({ params, body, caller }) => {
      const by = { subscription: params.id, actor: caller.actor, reason: body.reason }
      const changed = await CHANGES[act].run(context, by)
      if (!changed.ok) return changed
      const one = await findSubscription(context.database, context.merchant, params.id)
      return one ? accept({ status: 200, body: subscriptionJson(one) }) : unknown(params.id)
    },
  })

const deleteRoute = ({ context }: WebhookDeps): AnyRoute =>
  route({
    method: 'DELETE',
    path: '/admin/webhooks/:id',
    summary: 'Delete a webhook subscription; what waits for it is not sent.',
    access: WRITE,
    audit: { action: 'webhook.deleted' },
    params: idParams,
    query: z.strictObject({ reason }),
    handle: async ({ params, query, caller }) => {
      const by = { subscription: params.id, actor: caller.actor, reason: query.reason }
      const deleted = await deleteSubscription(context, by)
      return deleted.ok ? accept({ status: 204 }) : deleted
    },
  })

const rotateRoute = ({ context, masterKey }: WebhookDeps): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/webhooks/:id/secret',
    summary: 'Make a new secret, shown once. The old one signs beside it for a day, or as told.',
    access: WRITE,
    audit: { action: 'webhook.secret_rotated' },
    params: idParams,
    body: z.strictObject({
      overlap_seconds: z
        .int()
        .min(0)
        .max(7 * 86_400)
        .optional(),
    }),
    handle: async ({ params, body, caller }) => {
      const rotated = await rotateSecret(context, masterKey, {
        subscription: params.id,
        actor: caller.actor,
        ...(body.overlap_seconds === undefined ? {} : { overlapS: body.overlap_seconds }),
      })
      if (!rotated.ok) return rotated
      const { secret, overlapS } = rotated.value
      return accept({ status: 201, body: { secret, overlap_seconds: overlapS } })
    },
  })

const unknown = (id: string) => refuse('subscription_unknown', `No subscription ${id}.`)

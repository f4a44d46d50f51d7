import { z } from 'zod'
import { accept, refuse } from '#kernel/index.ts'
import { route } from '#platform/index.ts'
import type { Access, AnyRoute, Context } from '#platform/index.ts'
import { cursorQuery, toPage } from '#platform/http/index.ts'
import { findDelivery, listDeliveries } from './delivery/delivery-log.ts'
import type { AttemptRow, DeliveryRow } from './delivery/delivery-log.ts'
import { replayDelivery } from './delivery/replay-delivery.ts'
import { findSubscription } from './subscription.ts'

const READ: Access = { kind: 'scope', scope: 'webhooks:read' }
const WRITE: Access = { kind: 'scope', scope: 'webhooks:write' }
const id = z.string().min(1).max(64)
const deliveryParams = z.object({ id, delivery: id })
const reason = z.string().min(1).max(500)
const STATES = ['pending', 'delivered', 'failed'] as const

/** The delivery log of a subscription, and sending again from it. */
export function deliveryRoutes(context: Context): readonly AnyRoute[] {
  return [listRoute(context), showRoute(context), replayRoute(context), replayFailedRoute(context)]
}

/** A delivery as JSON: `attempts` counts, `next_attempt_at` is there while it waits. */
export function deliveryJson(one: DeliveryRow) {
  return {
    id: one.id,
    event_id: one.event_id,
    type: one.type,
    state: one.state,
    attempts: one.attempt,
    last_code: one.last_code,
    last_status: one.last_status,
    created_at: one.created_at,
    next_attempt_at: one.state === 'pending' ? one.next_attempt_at : null,
    settled_at: one.settled_at,
  }
}

const attemptJson = (one: AttemptRow) => ({ ...one, response: one.response.toString('utf8') })

const listRoute = ({ database, merchant }: Context): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/webhooks/:id/deliveries',
    summary: 'What was and is to be delivered, newest event first.',
    access: READ,
    audit: { none: 'read' },
    params: z.object({ id }),
    query: cursorQuery.extend({ state: z.enum(STATES).optional() }),
    handle: async ({ params, query: { cursor, limit, state } }) => {
      if (!(await findSubscription(database, merchant, params.id))) return unknown(params.id)
      const page = { subscription: params.id, state, before: cursor, limit: limit + 1 }
      const rows = await listDeliveries(database, merchant, page)
      return accept({ status: 200, body: toPage(rows, limit, (row) => row.id, deliveryJson) })
    },
  })

const showRoute = ({ database, merchant }: Context): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/webhooks/:id/deliveries/:delivery',
    summary: 'One delivery: the bytes that are sent and the last 100 attempts with their answers.',
    access: READ,
    audit: { none: 'read' },
    params: deliveryParams,
    handle: async ({ params }) => {
      const at = { subscription: params.id, delivery: params.delivery }
      const one = await findDelivery(database, merchant, at)
      if (!one) return refuse('delivery_unknown', `No delivery ${params.delivery}.`)
      return accept({
        status: 200,
        body: {
          ...deliveryJson(one),
          body: one.body.toString('utf8'),
          log: one.attempts.map(attemptJson),
        },
      })
    },
  })

const replayRoute = (context: Context): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/webhooks/:id/deliveries/:delivery/replay',
    summary: 'Send a delivery again, under the same id and with the same bytes.',
    access: WRITE,
    audit: { action: 'webhook.replayed' },
    params: deliveryParams,
    body: z.strictObject({ reason }),
    handle: async ({ params, body, caller }) => {
      const replayed = await replayDelivery(context, {
        subscription: params.id,
        delivery: params.delivery,
        actor: caller.actor,
        reason: body.reason,
      })
      return replayed.ok ? accept({ status: 202, body: replayed.value }) : replayed
    },
  })

const replayFailedRoute = (context: Context): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/webhooks/:id/replay-failed',
    summary: 'Send again what was given up, oldest first, up to 1,000 at a time.',
    access: WRITE,
    audit: { action: 'webhook.replayed' },
    params: z.object({ id }),
    body: z.strictObject({ reason }),
    handle: async ({ params, body, caller }) => {
      const { actor } = caller
      const replayed = await replayDelivery(context, {
        subscription: params.id,
        actor,
        reason: body.reason,
      })
      return replayed.ok ? accept({ status: 202, body: replayed.value }) : replayed
    },
  })

const unknown = (one: string) => refuse('subscription_unknown', `No subscription ${one}.`)

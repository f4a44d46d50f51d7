import { z } from 'zod'
import { accept, refuse } from '#kernel/index.ts'
import { route } from '#platform/index.ts'
import type { AnyRoute } from '#platform/index.ts'
import { decideOrder } from './decide-order.ts'
import { idempotencyKey } from './idempotency-header.ts'
import { shipToInput } from './order-input.ts'
import { findOrder, listDecisions, listOrders } from './order-queries.ts'
import { CLEAR_ANSWER_MAX_MS } from './orders-deps.ts'
import type { OrdersDeps } from './orders-deps.ts'
import { withdrawalReply } from './orders.http.ts'
import { dropUndefined } from './place/place-request.ts'
import { promiseRoutes } from './promise/promise-policy.ts'

const idParams = z.strictObject({ id: z.string().min(1).max(64) })
const reasonBody = z.strictObject({ reason: z.string().min(1).max(500) })
const pageQuery = z.strictObject({
  state: z.enum(['placed', 'cancelled', 'rejected', 'partly_cancelled']).optional(),
  verdict: z.enum(['hold', 'clear', 'unset']).optional(),
  cursor: z.string().max(64).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
})

/** Routes of the people who review and support orders. */
export function orderAdminRoutes(deps: OrdersDeps): readonly AnyRoute[] {
  return [
    listRoute(deps),
    showRoute(deps),
    decideRoute(deps),
    ...withdrawRoutes(deps),
    ...promiseRoutes(deps.context),
  ]
}

const listRoute = (deps: OrdersDeps): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/orders',
    summary: 'Orders, newest first',
    access: { kind: 'scope', scope: 'orders:read' },
    audit: { none: 'read' },
    query: pageQuery,
    handle: async ({ query }) => {
      const items = await listOrders(deps.context.database, deps.context.merchant, {
        state: query.state,
        verdict: query.verdict,
        after: query.cursor,
        limit: query.limit,
      })
      const last = items.length === query.limit ? items.at(-1)?.id : undefined
      return accept({ status: 200, body: { items, next_cursor: last ?? null } })
    },
  })

const showRoute = (deps: OrdersDeps): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/orders/:id',
    summary: 'One order with its decisions, by id or merchant reference',
    access: { kind: 'scope', scope: 'orders:read' },
    audit: { none: 'read' },
    params: idParams,
    handle: async ({ params }) => {
      const { database, merchant } = deps.context
      const order = await findOrder(database, merchant, params.id)
      if (!order) return refuse('order_unknown', `There is no order ${params.id}.`)
      const decisions = await listDecisions(database, merchant, order.id)
      return accept({
        status: 200,
        body: { ...order, stage: await deps.stageOf(order.id), decisions },
      })
    },
  })

const decideRoute = (deps: OrdersDeps): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/orders/:id/decisions',
    summary:
      'Decide on an order: a HOLD holds or recalls each part and says which, a CLEAR can be undone for ten seconds',
    access: { kind: 'scope', scope: 'orders:decide' },
    audit: { action: 'orders.decide' },
    params: idParams,
    body: z.strictObject({
      verdict: z.enum(['hold', 'clear']),
      reason: z.string().min(1).max(500),
    }),
    answerMaxMs: CLEAR_ANSWER_MAX_MS,
    handle: async ({ params, body, caller, headers }) => {
      const given = headers['idempotency-key']
      const key = given === undefined ? accept(undefined) : idempotencyKey(given)
      if (!key.ok) return key
      const decided = await decideOrder(deps.placing.deps, deps.askDecision, {
        orderId: params.id,
        verdict: body.verdict,
        actor: caller.actor,
        reason: body.reason,
        key: key.value,
      })
      if (!decided.ok) return decided
      const { answer, isReplayed } = decided.value
      const isNewClear = answer.verdict === 'clear' && !isReplayed
      const first = isNewClear ? await deps.afterClear(params.id) : undefined
      return accept({
        status: 201,
        body: { ...answer, ...(first ? { first_attempt: first } : {}) },
        ...(isReplayed ? { headers: { 'idempotent-replayed': 'true' } } : {}),
      })
    },
  })

function withdrawRoutes(deps: OrdersDeps): readonly AnyRoute[] {
  const kinds = [
    {
      kind: 'cancel',
      summary: 'Cancel an order: at once before it is sealed, by its partners after',
      scope: 'orders:change',
    },
    {
      kind: 'reject',
      summary: 'Reject an order in review and release its stock',
      scope: 'orders:decide',
    },
  ] as const
  const closing = kinds.map(({ kind, summary, scope }) =>
    route({
      method: 'POST',
      path: `/admin/orders/:id/${kind}`,
      summary,
      access: { kind: 'scope', scope },
      audit: { action: `orders.${kind}` },
      params: idParams,
      body: reasonBody,
      handle: ({ params, body, caller }) =>
        withdrawalReply(deps, {
          orderId: params.id,
          kind,
          actor: caller.actor,
          reason: body.reason,
        }),
    }),
  )
  const amend = route({
    method: 'PUT',
    path: '/admin/orders/:id/ship-to',
    summary: 'Send an order elsewhere, once its partners gave it back; it is reviewed again',
    access: { kind: 'scope', scope: 'orders:change' },
    audit: { action: 'orders.amend' },
    params: idParams,
    body: z.strictObject({ ship_to: shipToInput, reason: z.string().min(1).max(500) }),
    handle: ({ params, body, caller }) =>
      withdrawalReply(deps, {
        orderId: params.id,
        kind: 'amend',
        actor: caller.actor,
        reason: body.reason,
        shipTo: dropUndefined(body.ship_to),
      }),
  })
  return [...closing, amend]
}

import { z } from 'zod'
import { accept, refuse, sha256 } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { route } from '#platform/index.ts'
import type { AnyRoute, RouteReply } from '#platform/index.ts'
import { completeCheckout, openCheckout } from './checkout.ts'
import { idempotencyKey } from './idempotency-header.ts'
import { orderInput, shipToInput } from './order-input.ts'
import type { OrderInput } from './order-input.ts'
import { findOrder } from './order-queries.ts'
import type { OrderDetail } from './order-queries.ts'
import { CLEAR_ANSWER_MAX_MS } from './orders-deps.ts'
import type { OrdersDeps } from './orders-deps.ts'
import { placedBody } from './place/placed-body.ts'
import { dropUndefined } from './place/place-request.ts'
import type { PlaceOutcome } from './place/place-request.ts'
import { withdrawOrder } from './withdraw-order.ts'
import type { WithdrawalWish } from './withdraw-order.ts'

const MIB = 1_048_576

/** Routes that a shop or a buyer calls. A buyer holds the order's own token. */
export function storeRoutes(deps: OrdersDeps): readonly AnyRoute[] {
  return [
    placeRoute(deps),
    checkoutRoute(deps),
    completeRoute(deps),
    showRoute(deps),
    cancelRoute(deps),
    addressRoute(deps),
  ]
}

const placeRoute = (deps: OrdersDeps): AnyRoute =>
  route({
    method: 'POST',
    path: '/store/orders',
    summary: 'Place an order: stock is reserved and the order reviewed before the answer',
    access: { kind: 'public' },
    audit: { none: 'event_log' },
    body: orderInput,
    bodyMaxBytes: MIB,
    answerMaxMs: CLEAR_ANSWER_MAX_MS,
    handle: async ({ body, caller, headers, rawBody }) => {
      const key = idempotencyKey(headers['idempotency-key'])
      if (!key.ok) return key
      const isTrusted = caller.scopes.has('orders:submit')
      const allowed = isTrusted ? accept(undefined) : onlyPublicFields(body)
      if (!allowed.ok) return allowed
      const outcome = await deps.placing.place({
        input: body,
        source: 'http',
        isTrusted,
        submittedHold: false,
        idempotency: { scope: caller.actor, key: key.value, requestSha256: sha256(rawBody) },
      })
      if (outcome.kind === 'placed' && outcome.order.verdict === 'clear') {
        await deps.afterClear(outcome.order.id)
      }
      return reply(deps, outcome)
    },
  })

function reply(deps: OrdersDeps, outcome: PlaceOutcome): Outcome<RouteReply> {
  if (outcome.kind === 'refused') return { ok: false, refusal: outcome.refusal }
  return accept({
    status: 201,
    body: placedBody(outcome.order, deps.tokens),
    ...(outcome.kind === 'replayed' ? { headers: { 'idempotent-replayed': 'true' } } : {}),
  })
}

// The public form sells at catalog price to the session's customer, which without accounts is a guest.
function onlyPublicFields(body: OrderInput): Outcome<void> {
  const forbidden =
    (body.order_id !== undefined && 'order_id') ||
    (body.placed_at !== undefined && 'placed_at') ||
    (body.customer !== undefined && 'customer') ||
    (body.charges !== undefined && 'charges') ||
    (body.ship_by !== undefined && 'ship_by') ||
    pricedLine(body)
  if (!forbidden) return accept(undefined)
  return refuse('body_invalid', `${forbidden} is taken only from an API key with orders:submit.`, {
    field: forbidden,
  })
}

function pricedLine(body: OrderInput): string | false {
  const index = body.lines.findIndex((line) => line.unit_price_minor !== undefined)
  return index >= 0 && `lines[${index}].unit_price_minor`
}

const checkoutRoute = (deps: OrdersDeps): AnyRoute =>
  route({
    method: 'POST',
    path: '/store/checkouts',
    summary: 'Open a checkout: its stock is held for a quarter of an hour',
    access: { kind: 'public' },
    audit: { none: 'event_log' },
    body: orderInput,
    bodyMaxBytes: MIB,
    handle: async ({ body }) => {
      const allowed = onlyPublicFields(body)
      if (!allowed.ok) return allowed
      const opened = await openCheckout(deps.placing.deps, body)
      if (!opened.ok) return opened
      const { id, expiresAt } = opened.value
      return accept({
        status: 201,
        body: { id, token: deps.tokens.tokenOf(id), expires_at: expiresAt },
      })
    },
  })

const completeRoute = (deps: OrdersDeps): AnyRoute =>
  route({
    method: 'POST',
    path: '/store/checkouts/:id/complete',
    summary: 'Turn a checkout into an order; completing again answers the same order',
    access: { kind: 'order_token' },
    audit: { none: 'event_log' },
    params: z.strictObject({ id: z.string().max(64) }),
    handle: async ({ params, headers }) => {
      if (!deps.tokens.isTokenOf(params.id, tokenFrom(headers))) {
        return refuse('checkout_unknown', 'There is no such checkout, or the token is not its own.')
      }
      const done = await completeCheckout(deps.placing.deps, params.id)
      if (!done.ok) return done
      if (done.value.order)
        return accept({ status: 201, body: placedBody(done.value.order, deps.tokens) })
      const order = await deps.placing.recall(done.value.orderId)
      if (!order) return refuse('order_unknown', 'The order of this checkout cannot be read.')
      return accept({
        status: 201,
        body: placedBody(order, deps.tokens),
        headers: { 'idempotent-replayed': 'true' },
      })
    },
  })

const showRoute = (deps: OrdersDeps): AnyRoute =>
  route({
    method: 'GET',
    path: '/store/orders/:id',
    summary: 'One order, for whoever holds its token',
    access: { kind: 'order_token' },
    audit: { none: 'read' },
    params: z.strictObject({ id: z.string().max(64) }),
    handle: async ({ params, headers }) => {
      const order = deps.tokens.isTokenOf(params.id, tokenFrom(headers))
        ? await findOrder(deps.context.database, deps.context.merchant, params.id)
        : undefined
      if (!order) return UNKNOWN
      const stage = await deps.stageOf(order.id)
      return accept({
        status: 200,
        body: {
          id: order.id,
          order_number: order.order_number,
          status: statusOf(order, stage),
          change: changeOf(order),
          review: { verdict: order.verdict },
          placed_at: order.placed_at,
          ship_by: order.ship_by,
          ship_to: order.ship_to,
          total: { amount: order.total_minor, currency: order.currency },
          lines: order.lines,
        },
      })
    },
  })

/** What the buyer is told: a change that waits for an answer goes before the stage of the parcels. */
function statusOf(order: OrderDetail, stage: string): string {
  if (order.state !== 'placed') return order.state
  return order.change_state === 'requested' ? openStatus(order.change_kind ?? '') : stage
}

/** The newest wish to change the order, and what came of it. */
function changeOf(order: OrderDetail) {
  if (order.change_kind === null) return null
  return { kind: order.change_kind, state: order.change_state, code: order.change_refusal }
}

const UNKNOWN = refuse('order_unknown', 'There is no such order, or the token is not its own.')

const cancelRoute = (deps: OrdersDeps): AnyRoute =>
  route({
    method: 'POST',
    path: '/store/orders/:id/cancel',
    summary:
      'Cancel an order: at once before it is sealed, by its partners after; order_shipped when it has left',
    access: { kind: 'order_token' },
    audit: { action: 'orders.cancel' },
    params: z.strictObject({ id: z.string().max(64) }),
    body: z.strictObject({ reason: z.string().min(1).max(500).optional() }).optional(),
    handle: ({ params, headers, body }) =>
      byBuyer(deps, params.id, headers, {
        kind: 'cancel',
        reason: body?.reason ?? 'cancelled by the buyer',
      }),
  })

const addressRoute = (deps: OrdersDeps): AnyRoute =>
  route({
    method: 'PUT',
    path: '/store/orders/:id/ship-to',
    summary: 'Send an order elsewhere, once its partners gave it back; it is reviewed again',
    access: { kind: 'order_token' },
    audit: { action: 'orders.amend' },
    params: z.strictObject({ id: z.string().max(64) }),
    body: shipToInput,
    handle: ({ params, headers, body }) =>
      byBuyer(deps, params.id, headers, {
        kind: 'amend',
        reason: 'address changed by the buyer',
        shipTo: dropUndefined(body),
      }),
  })

async function byBuyer(
  deps: OrdersDeps,
  orderId: string,
  headers: Readonly<Record<string, string | undefined>>,
  wish: Pick<WithdrawalWish, 'kind' | 'reason' | 'shipTo'>,
): Promise<Outcome<RouteReply>> {
  if (!deps.tokens.isTokenOf(orderId, tokenFrom(headers))) return UNKNOWN
  return withdrawalReply(deps, { ...wish, orderId, actor: `buyer:${orderId}` })
}

const END_STATUS = { cancel: 'cancelled', reject: 'rejected', amend: 'readdressed' } as const

/** What an order says while a change of it waits for an answer. */
export function openStatus(kind: string): 'cancellation_requested' | 'address_change_requested' {
  return kind === 'amend' ? 'address_change_requested' : 'cancellation_requested'
}

/**
 * Carries a wish out and answers it: 200 when done, 202 while partners are asked or fulfillment cannot
 * be, 409 `order_shipped` or `order_partly_shipped` where the goods have left.
 */
export async function withdrawalReply(
  deps: OrdersDeps,
  wish: WithdrawalWish,
): Promise<Outcome<RouteReply>> {
  const answer = await withdrawOrder(deps.placing.deps, deps.askWithdrawal, wish)
  if (!answer.ok) return answer
  const { state } = answer.value
  return accept({
    status: state === 'done' ? 200 : 202,
    body: {
      order_id: wish.orderId,
      kind: wish.kind,
      state: state === 'done' ? state : 'requested',
      status: state === 'done' ? END_STATUS[wish.kind] : openStatus(wish.kind),
    },
  })
}

// `Order-Token: …` or `Authorization: Bearer …`; never in the URL, where logs would keep it.
function tokenFrom(headers: Readonly<Record<string, string | undefined>>): string {
  return headers['order-token'] ?? headers['authorization']?.replace(/^Bearer +/i, '') ?? ''
}

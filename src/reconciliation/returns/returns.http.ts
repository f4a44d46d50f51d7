import { z } from 'zod'
import { ORDER_LINES_MAX } from '#wire/index.ts'
import { accept, refuse, sha256Hex } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { findOrder, idempotencyKey } from '#orders/index.ts'
import { route, timeText } from '#platform/index.ts'
import type { AnyRoute, Context } from '#platform/index.ts'
import { returnCharge } from './read-returns.ts'
import { returnOrder } from './return-order.ts'
import { returnsOfOrder } from './return-queries.ts'

const idParams = z.strictObject({ id: z.string().min(1).max(64) })
const returnBody = z.strictObject({
  return_id: z
    .string()
    .regex(/^[\x21-\x7e]{1,64}$/, 'printable ASCII without spaces')
    .optional(),
  returned_at: timeText,
  note: z.string().min(1).max(500).optional(),
  lines: z
    .array(
      z.strictObject({
        line: z.int().min(1).max(1_000_000),
        qty: z.int().min(1).max(1_000_000),
        condition: z.enum(['restock', 'damaged']),
        refund_minor: z.int().min(0).max(1_000_000_000_000).optional(),
      }),
    )
    .min(1)
    .max(ORDER_LINES_MAX),
  charges: z.array(returnCharge).max(100).optional(),
})

/** What comes back of an order, and what was credited for it. */
export function returnRoutes(context: Context): readonly AnyRoute[] {
  return [listRoute(context), recordRoute(context)]
}

const listRoute = ({ database, merchant }: Context): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/orders/:id/returns',
    summary: 'What came back of an order, with refunds',
    access: { kind: 'scope', scope: 'orders:read' },
    audit: { none: 'read' },
    params: idParams,
    handle: async ({ params }) => {
      const order = await findOrder(database, merchant, params.id)
      if (!order) return refuse('order_unknown', `There is no order ${params.id}.`)
      const items = await returnsOfOrder(database, merchant, order.id)
      return accept({ status: 200, body: { items, next_cursor: null } })
    },
  })

const recordRoute = (context: Context): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/orders/:id/returns',
    summary: 'Record what came back of an order, by line and condition; all of it or nothing, once',
    access: { kind: 'scope', scope: 'orders:change' },
    audit: { action: 'order.return' },
    params: idParams,
    body: returnBody,
    handle: async ({ params, body, caller, headers }) => {
      const named = returnIdOf(body.return_id, headers['idempotency-key'], [
        caller.actor,
        params.id,
      ])
      if (!named.ok) return named
      const id = named.value
      const returned = await returnOrder(context, {
        order: params.id,
        id,
        actor: caller.actor,
        source: 'http',
        returnedAt: body.returned_at,
        note: body.note,
        charges: body.charges,
        lines: body.lines.map((one) => ({
          line: one.line,
          qty: one.qty,
          condition: one.condition,
          refundMinor: one.refund_minor,
        })),
      })
      if (!returned.ok) {
        const isReused = body.return_id === undefined && returned.refusal.code === 'return_conflict'
        return isReused
          ? refuse('idempotency_key_reused', 'That key was used with another return.')
          : returned
      }
      const { wasNew, orderId } = returned.value
      const items = await returnsOfOrder(context.database, context.merchant, orderId)
      return accept({
        status: wasNew ? 201 : 200,
        body: { return_id: id, items: items.filter((one) => one.return_id === id) },
        ...(wasNew ? {} : { headers: { 'idempotent-replayed': 'true' } }),
      })
    },
  })

// Without an id of its own a return is known by the key of its request, the caller's and the order's.
function returnIdOf(
  given: string | undefined,
  header: string | undefined,
  scope: readonly string[],
): Outcome<string> {
  if (given !== undefined) return accept(given)
  const key = idempotencyKey(header)
  return key.ok
    ? accept(`key-${sha256Hex(JSON.stringify([...scope, key.value])).slice(0, 40)}`)
    : key
}

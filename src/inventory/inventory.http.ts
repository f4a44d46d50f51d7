import { z } from 'zod'
import { accept } from '#kernel/index.ts'
import { route, transact } from '#platform/index.ts'
import type { AnyRoute, Context } from '#platform/index.ts'
import { listStock } from './availability.ts'
import { STOCK_NAME, UNITS_MAX } from './check-stock-document.ts'
import { recordStock } from './record-stock.ts'

const name = z.string().regex(STOCK_NAME, 'printable ASCII without spaces, at most 64 characters')
const documentBody = z.strictObject({
  id: name,
  kind: z.enum(['receive', 'adjust', 'count']),
  note: z.string().min(1).max(500).optional(),
  lines: z
    .array(
      z.strictObject({
        sku: name,
        location: name,
        quantity: z.int().min(-UNITS_MAX).max(UNITS_MAX),
      }),
    )
    .min(1)
    .max(1_000),
})
const stockQuery = z.strictObject({
  sku: name.optional(),
  cursor: z.string().max(130).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
})

/** Stock as people see and correct it: counters by SKU and location, receipts, adjustments, counts. */
export function inventoryRoutes(context: Context): readonly AnyRoute[] {
  return [stockRoute(context), recordRoute(context)]
}

const stockRoute = ({ database, merchant }: Context): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/inventory',
    summary: 'Stock counters by SKU and location',
    access: { kind: 'scope', scope: 'inventory:read' },
    audit: { none: 'read' },
    query: stockQuery,
    handle: async ({ query }) => {
      const items = await listStock(database, merchant, {
        sku: query.sku,
        after: query.cursor,
        limit: query.limit,
      })
      const last = items.length === query.limit ? items.at(-1) : undefined
      return accept({
        status: 200,
        body: { items, next_cursor: last ? `${last.sku} ${last.location_id}` : null },
      })
    },
  })

const recordRoute = ({ database, merchant }: Context): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/adjustments',
    summary: 'Record a receipt, an adjustment or a count; its id makes it idempotent',
    access: { kind: 'scope', scope: 'inventory:write' },
    audit: { action: 'inventory.record' },
    body: documentBody,
    handle: async ({ body, caller }) => {
      const recorded = await transact(database, (tx) =>
        recordStock(
          tx,
          merchant,
          {
            id: body.id,
            kind: body.kind,
            ...(body.note === undefined ? {} : { note: body.note }),
            lines: body.lines.map((line) => ({
              sku: line.sku,
              locationId: line.location,
              quantity: line.quantity,
            })),
          },
          caller.actor,
        ),
      )
      if (!recorded.ok) return recorded
      const { wasNew, negativeSkus } = recorded.value
      return accept({
        status: wasNew ? 201 : 200,
        body: { id: body.id, kind: body.kind, negative_skus: negativeSkus },
        ...(wasNew ? {} : { headers: { 'idempotent-replayed': 'true' } }),
      })
    },
  })

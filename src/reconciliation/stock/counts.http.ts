import { z } from 'zod'
import { accept, refuse } from '#kernel/index.ts'
import { route, timeText } from '#platform/index.ts'
import type { Access, AnyRoute, Context } from '#platform/index.ts'
import { decideCount, findCount, listCounts, recordCount } from './count-stock.ts'
import type { RecordedCount } from './count-stock.ts'

const READ: Access = { kind: 'scope', scope: 'inventory:read' }
const WRITE: Access = { kind: 'scope', scope: 'inventory:write' }

const name = z.string().regex(/^[\x21-\x7e]{1,64}$/, 'printable ASCII without spaces')
const idParams = z.strictObject({ id: name })
const countBody = z.strictObject({
  id: name,
  counted_at: timeText.optional(),
  lines: z
    .array(
      z.strictObject({ sku: name, location: name, counted: z.int().min(0).max(1_000_000_000) }),
    )
    .min(1)
    .max(10_000),
})
const decisionBody = z.strictObject({
  verdict: z.enum(['accept', 'reject']),
  lines: z.array(z.int().min(1).max(10_000_000)).min(1).max(10_000).optional(),
  reason: z.string().min(1).max(500),
})
const BODY_MAX_BYTES = 2 * 1024 * 1024

/** Counts of stock, and the corrections that they propose. */
export function countRoutes(context: Context): readonly AnyRoute[] {
  return [listRoute(context), showRoute(context), recordRoute(context), decideRoute(context)]
}

const bodyOf = (count: RecordedCount) => ({
  id: count.id,
  counted_at: count.countedAt,
  lines: count.proposals,
})

const listRoute = (context: Context): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/stock-counts',
    summary: 'Counts of stock, newest first, with how many lines wait for a decision',
    access: READ,
    audit: { none: 'read' },
    query: z.strictObject({ limit: z.coerce.number().int().min(1).max(200).default(50) }),
    handle: async ({ query }) =>
      accept({ status: 200, body: { items: await listCounts(context, query.limit) } }),
  })

const showRoute = (context: Context): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/stock-counts/:id',
    summary: 'A count with the correction that each line proposes, in units and money',
    access: READ,
    audit: { none: 'read' },
    params: idParams,
    handle: async ({ params }) => {
      const found = await findCount(context, params.id)
      if (!found) return refuse('count_unknown', `There is no count ${params.id}.`)
      return accept({ status: 200, body: bodyOf(found) })
    },
  })

const recordRoute = (context: Context): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/stock-counts',
    summary:
      'Record a count; it proposes corrections and moves no stock; its id makes it idempotent',
    access: WRITE,
    audit: { action: 'stock_count.record' },
    body: countBody,
    bodyMaxBytes: BODY_MAX_BYTES,
    handle: async ({ body, caller }) => {
      const recorded = await recordCount(context, {
        id: body.id,
        actor: caller.actor,
        countedAt: body.counted_at === undefined ? undefined : new Date(body.counted_at),
        lines: body.lines.map(({ sku, location, counted }, index) => ({
          line: index + 1,
          sku,
          locationId: location,
          counted,
        })),
      })
      if (!recorded.ok) return recorded
      const { wasNew } = recorded.value
      const headers = wasNew ? {} : { 'idempotent-replayed': 'true' }
      return accept({ status: wasNew ? 201 : 200, body: bodyOf(recorded.value), headers })
    },
  })

const decideRoute = (context: Context): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/stock-counts/:id/decisions',
    summary: 'Accept or reject proposed corrections, some or all; each is decided once',
    access: WRITE,
    audit: { action: 'stock_count.decide' },
    params: idParams,
    body: decisionBody,
    handle: async ({ params, body, caller }) => {
      const wish = { count: params.id, actor: caller.actor, ...body }
      const decided = await decideCount(context, wish)
      if (!decided.ok) return decided
      const { negativeSkus: negative_skus, ...counts } = decided.value
      return accept({ status: 200, body: { ...counts, negative_skus } })
    },
  })

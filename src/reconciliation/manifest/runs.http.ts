import { z } from 'zod'
import { accept } from '#kernel/index.ts'
import { route } from '#platform/index.ts'
import type { AnyRoute, Context } from '#platform/index.ts'
import { listRuns } from './run-queries.ts'

const name = z.string().min(1).max(64)
const pageQuery = z.strictObject({
  partner: name.optional(),
  cursor: name.optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
})

/** Comparisons with the manifests of partners. */
export function runRoutes({ database, merchant }: Context): readonly AnyRoute[] {
  return [
    route({
      method: 'GET',
      path: '/admin/reconciliations',
      summary: 'Comparisons of our dispatches with the manifests of partners, newest first',
      access: { kind: 'scope', scope: 'fulfillment:read' },
      audit: { none: 'read' },
      query: pageQuery,
      handle: async ({ query }) => {
        const { partner, cursor: before, limit } = query
        const items = await listRuns(database, merchant, { partner, before, limit })
        const next = items.length === limit ? (items.at(-1)?.id ?? null) : null
        return accept({ status: 200, body: { items, next_cursor: next } })
      },
    }),
  ]
}

import { z } from 'zod'
import { accept } from '#kernel/index.ts'
import { route } from '#platform/index.ts'
import type { Access, AnyRoute, Context } from '#platform/index.ts'
import { closeUnknown, listUnknown } from '../reconcile/unknown-fulfillments.ts'
import { listLanes } from './lane-status.ts'
import { openForeignLane } from './open-lane.ts'

const READ: Access = { kind: 'scope', scope: 'fulfillment:read' }
const OPERATE: Access = { kind: 'scope', scope: 'fulfillment:operate' }
const id = z.string().min(1).max(128)
const reason = z.string().min(1).max(500)

/** The lanes of partners, and what partners hold that our books do not know. */
export function laneRoutes(context: Context): readonly AnyRoute[] {
  const { database, merchant } = context
  return [
    route({
      method: 'GET',
      path: '/admin/lanes',
      summary: 'List the lanes of partners: open, or shut and why',
      access: READ,
      audit: { none: 'read' },
      handle: async () =>
        accept({ status: 200, body: { items: await listLanes(database, merchant) } }),
    }),
    route({
      method: 'POST',
      path: '/admin/lanes/:partner/open',
      summary: 'Say whose the dispatches are that shut a lane: ours (a restored copy) or other',
      access: OPERATE,
      audit: { action: 'lane.open' },
      params: z.object({ partner: id }),
      body: z.strictObject({ past: z.enum(['ours', 'other']), reason }),
      handle: async ({ params, body, caller }) => {
        const wish = { partner: params.partner, ...body, actor: caller.actor }
        const opened = await openForeignLane(context, wish)
        return opened.ok ? accept({ status: 200, body: opened.value }) : opened
      },
    }),
    route({
      method: 'GET',
      path: '/admin/unknown-fulfillments',
      summary: 'List what partners hold and our books do not know, by fulfillment id',
      access: READ,
      audit: { none: 'read' },
      query: z.strictObject({
        partner: id.optional(),
        cursor: id.optional(),
        limit: z.coerce.number().int().min(1).max(1_000).default(100),
      }),
      handle: async ({ query }) => {
        const { partner, cursor: after, limit } = query
        const items = await listUnknown(database, merchant, { partner, after, limit })
        const next = items.length === limit ? (items.at(-1)?.fulfillment_id ?? null) : null
        return accept({ status: 200, body: { items, next_cursor: next } })
      },
    }),
    route({
      method: 'POST',
      path: '/admin/unknown-fulfillments/:id/close',
      summary: 'Close an unknown fulfillment with a reason: its order may be sealed again',
      access: OPERATE,
      audit: { action: 'unknown_fulfillment.close' },
      params: z.object({ id }),
      body: z.strictObject({ reason }),
      handle: async ({ params, body, caller }) => {
        const wish = { fulfillment: params.id, reason: body.reason, actor: caller.actor }
        const closed = await closeUnknown(context, wish)
        return closed.ok ? accept({ status: 200, body: closed.value }) : closed
      },
    }),
  ]
}

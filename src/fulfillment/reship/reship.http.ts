import { z } from 'zod'
import { accept } from '#kernel/index.ts'
import { route } from '#platform/index.ts'
import type { Access, AnyRoute, Context } from '#platform/index.ts'
import { endReship } from './end-reship.ts'
import { approveReship, listReships, refuseReship, requestReship } from './reship.ts'

const READ: Access = { kind: 'scope', scope: 'fulfillment:read' }
const OPERATE: Access = { kind: 'scope', scope: 'fulfillment:operate' }
const id = z.string().min(1).max(64)
const params = z.object({ id })
const words = z.string().min(1).max(500)
const note = z.strictObject({ note: words })

/** Lost parcels shipped again: asked by one person, approved by another. */
export function reshipRoutes(context: Context): readonly AnyRoute[] {
  return [
    listRoute(context),
    requestRoute(context),
    approveRoute(context),
    refuseRoute(context),
    endRoute(context),
  ]
}

const listRoute = ({ database, merchant }: Context): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/reships',
    summary: 'Reships, newest first, with who asked and who decided',
    access: READ,
    audit: { none: 'read' },
    query: z.strictObject({
      state: z.enum(['requested', 'approved', 'refused', 'ended']).optional(),
      cursor: id.optional(),
      limit: z.coerce.number().int().min(1).max(200).default(50),
    }),
    handle: async ({ query }) => {
      const { state, cursor: before, limit } = query
      const items = await listReships(database, merchant, { state, before, limit })
      const next = items.length === limit ? (items.at(-1)?.id ?? null) : null
      return accept({ status: 200, body: { items, next_cursor: next } })
    },
  })

const requestRoute = (context: Context): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/fulfillment-orders/:id/reships',
    summary: 'Ask to ship a lost parcel again; another person approves',
    access: OPERATE,
    audit: { action: 'reship.requested' },
    params,
    body: z.strictObject({ reason: words, evidence: z.string().min(1).max(2_000) }),
    handle: async ({ params: { id: fulfillment }, body, caller: { actor } }) => {
      const asked = await requestReship(context, { ...body, fulfillment, actor })
      if (!asked.ok) return asked
      return accept({ status: 201, body: { id: asked.value.id, case_id: asked.value.case } })
    },
  })

const approveRoute = (context: Context): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/reships/:id/approve',
    summary: 'Approve a reship that somebody else asked for: a new generation, once',
    access: OPERATE,
    audit: { action: 'reship.approved' },
    params,
    body: note,
    handle: async ({ params: { id: reship }, body, caller: { actor } }) => {
      const approved = await approveReship(context, { reship, actor, note: body.note })
      if (!approved.ok) return approved
      const { fulfillment, generation } = approved.value
      return accept({ status: 200, body: { fulfillment_id: fulfillment, generation } })
    },
  })

const refuseRoute = (context: Context): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/reships/:id/refuse',
    summary: 'Say no to a reship, or take back your own',
    access: OPERATE,
    audit: { action: 'reship.refused' },
    params,
    body: note,
    handle: async ({ params: { id: reship }, body, caller: { actor } }) => {
      const refused = await refuseReship(context, { reship, actor, note: body.note })
      return refused.ok ? accept({ status: 204 }) : refused
    },
  })

const endRoute = (context: Context): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/reships/:id/end',
    summary: 'End an approved reship that no partner has; its stock is free again',
    access: OPERATE,
    audit: { action: 'reship.ended' },
    params,
    body: note,
    handle: async ({ params: { id: reship }, body, caller: { actor } }) => {
      const ended = await endReship(context, { reship, actor, note: body.note })
      if (!ended.ok) return ended
      return accept({ status: 200, body: { fulfillment_id: ended.value.fulfillment } })
    },
  })

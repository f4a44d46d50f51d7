import { z } from 'zod'
import { accept, refuse } from '#kernel/index.ts'
import { route } from '#platform/index.ts'
import type { Access, AnyRoute, Context } from '#platform/index.ts'
import { findRecall, listRecalls } from './recall-queries.ts'
import { recallDispatches, RECALLED_MAX } from './request-recall.ts'
import { resolveRecall } from './resolve-recall.ts'

const READ: Access = { kind: 'scope', scope: 'fulfillment:read' }
const OPERATE: Access = { kind: 'scope', scope: 'fulfillment:operate' }
const id = z.string().min(1).max(64)
const reason = z.string().min(1).max(500)
const STATES = [
  'queued',
  'sending',
  'unknown',
  'answered',
  'needs_operator',
  'quarantined',
] as const

/** The operator's routes of recalls. */
export function recallRoutes({ context }: { readonly context: Context }): readonly AnyRoute[] {
  return [requestRoute(context), listRoute(context), showRoute(context), resolveRoute(context)]
}

const requestRoute = (context: Context): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/recalls',
    summary:
      'Ask for batches or dispatches back, many in one call; asking again tells how far each is',
    access: OPERATE,
    audit: { action: 'dispatch.recall' },
    body: z
      .strictObject({
        batches: z.array(id).max(RECALLED_MAX).default([]),
        dispatches: z.array(id).max(RECALLED_MAX).default([]),
        reason,
      })
      .refine(({ batches, dispatches }) => {
        const named = batches.length + dispatches.length
        return named > 0 && named <= RECALLED_MAX
      }, `name 1 to ${RECALLED_MAX} batches or dispatches`),
    handle: async ({ body, caller }) => {
      const names = [...body.batches, ...body.dispatches]
      const { actor } = caller
      const items = await recallDispatches(context, { names, actor, reason: body.reason })
      return accept({ status: 202, body: { items } })
    },
  })

const listRoute = ({ database, merchant }: Context): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/recalls',
    summary: 'List recalls, newest first',
    access: READ,
    audit: { none: 'read' },
    query: z.strictObject({
      state: z.enum(STATES).optional(),
      partner: id.optional(),
      cursor: id.optional(),
      limit: z.coerce.number().int().min(1).max(200).default(50),
    }),
    handle: async ({ query }) => {
      const { state, partner, cursor, limit } = query
      const items = await listRecalls(database, merchant, {
        limit,
        ...(cursor === undefined ? {} : { before: cursor }),
        ...(state === undefined ? {} : { state }),
        ...(partner === undefined ? {} : { partner }),
      })
      const next = items.length === limit ? (items.at(-1)?.id ?? null) : null
      return accept({ status: 200, body: { items, next_cursor: next } })
    },
  })

const showRoute = ({ database, merchant }: Context): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/recalls/:id',
    summary: 'Show a recall with its attempts and the answer of each order',
    access: READ,
    audit: { none: 'read' },
    params: z.object({ id }),
    handle: async ({ params }) => {
      const one = await findRecall(database, merchant, params.id)
      if (!one) return refuse('recall_unknown', `No recall ${params.id}.`)
      return accept({ status: 200, body: one })
    },
  })

const outcome = z.enum(['recalled', 'too_late'])

const resolveRoute = (context: Context): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/recalls/:id/resolve',
    summary: 'Answer a recall that needs a person, after asking the partner',
    access: OPERATE,
    audit: { action: 'recall.resolve' },
    params: z.object({ id }),
    body: z.strictObject({
      outcome,
      note: reason,
      except: z
        .array(z.strictObject({ fulfillment_id: id, outcome }))
        .max(100)
        .default([]),
      tracking_number: z.string().min(1).max(128).optional(),
    }),
    handle: async ({ params, body, caller }) => {
      const resolved = await resolveRecall(context, {
        recall: params.id,
        outcome: body.outcome,
        note: body.note,
        actor: caller.actor,
        except: body.except.map((one) => ({
          fulfillmentId: one.fulfillment_id,
          outcome: one.outcome,
        })),
        trackingNumber: body.tracking_number,
      })
      return resolved.ok ? accept({ status: 200, body: resolved.value }) : resolved
    },
  })

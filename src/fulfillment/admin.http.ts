import { z } from 'zod'
import { accept, refuse } from '#kernel/index.ts'
import { listPartners } from '#partners/index.ts'
import { route } from '#platform/index.ts'
import type { Access, AnyRoute, Context } from '#platform/index.ts'
import { liftHold, placeHold } from './hold/change-holds.ts'
import { dispatchesOf, dispatchEvidence, listDispatches } from './dispatch-queries.ts'
import {
  findFulfillment,
  holdsOf,
  listFulfillments,
  listShipments,
  shipmentsOf,
} from './fulfillment-queries.ts'
import { recallLinesOf, recallsOf } from './recall/recall-queries.ts'
import { resolveDispatch } from './dispatch/resolve-dispatch.ts'

const READ: Access = { kind: 'scope', scope: 'fulfillment:read' }
const OPERATE: Access = { kind: 'scope', scope: 'fulfillment:operate' }

const limit = z.coerce.number().int().min(1).max(200).default(50)
const id = z.string().min(1).max(64)
const idParams = z.object({ id })
const reason = z.string().min(1).max(500)
const page = z.strictObject({ cursor: id.optional(), limit })
const FULFILLMENT_STATES = [
  'held',
  'open',
  'sealed',
  'accepted',
  'shipped',
  'delivered',
  'rejected',
  'recalled',
  'withdrawn',
] as const
const DISPATCH_STATES = [
  'queued',
  'sending',
  'unknown',
  'accepted',
  'rejected',
  'needs_operator',
  'quarantined',
  'recalling',
  'recalled',
  'recall_partial',
  'too_late',
] as const

/** The operator's routes of fulfillment. Reading needs `fulfillment:read`, acting `fulfillment:operate`. */
export function fulfillmentAdminRoutes(deps: { readonly context: Context }): readonly AnyRoute[] {
  const { context } = deps
  return [
    listOrdersRoute(context),
    showOrderRoute(context),
    placeHoldRoute(context),
    liftHoldRoute(context),
    listDispatchesRoute(context),
    showDispatchRoute(context),
    resolveRoute(context),
    listShipmentsRoute(context),
    listPartnersRoute(context),
  ]
}

/** A page and the cursor of the next one: the last id, or null where the page was not full. */
function paged<T extends { readonly id: string }>(items: readonly T[], limitOf: number) {
  const next = items.length === limitOf ? (items.at(-1)?.id ?? null) : null
  return accept({ status: 200, body: { items, next_cursor: next } })
}

const pageOf = (query: { cursor?: string | undefined; limit: number }) => ({
  limit: query.limit,
  ...(query.cursor === undefined ? {} : { before: query.cursor }),
})

const listOrdersRoute = ({ database, merchant }: Context): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/fulfillment-orders',
    summary: 'List fulfillment orders, newest first',
    access: READ,
    audit: { none: 'read' },
    query: page.extend({
      state: z.enum(FULFILLMENT_STATES).optional(),
      ship_by_alarm: z.enum(['at_risk', 'missed']).optional(),
    }),
    handle: async ({ query }) => {
      const { state, ship_by_alarm: alarm } = query
      const rows = await listFulfillments(database, merchant, {
        ...pageOf(query),
        ...(state === undefined ? {} : { state }),
        ...(alarm === undefined ? {} : { alarm }),
      })
      return paged(rows, query.limit)
    },
  })

const showOrderRoute = ({ database, merchant }: Context): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/fulfillment-orders/:id',
    summary: 'Show a fulfillment order with its holds, dispatch and shipments',
    access: READ,
    audit: { none: 'read' },
    params: idParams,
    handle: async ({ params }) => {
      const one = await findFulfillment(database, merchant, params.id)
      if (!one) return refuse('fulfillment_unknown', `No fulfillment order ${params.id}.`)
      const holds = await holdsOf(database, merchant, [one.id])
      const shipments = await shipmentsOf(database, merchant, [one.id])
      const [dispatch = null] = await dispatchesOf(database, merchant, [one.dispatch_id ?? ''])
      return accept({ status: 200, body: { ...one, holds, dispatch, shipments } })
    },
  })

const placeHoldRoute = (context: Context): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/fulfillment-orders/:id/holds',
    summary: 'Hold an unsealed fulfillment order for a person',
    access: OPERATE,
    audit: { action: 'fulfillment.hold' },
    params: idParams,
    body: z.strictObject({ reason }),
    handle: async ({ params, body, caller }) => {
      const { actor } = caller
      const placed = await placeHold(context, {
        fulfillment: params.id,
        actor,
        reason: body.reason,
      })
      return placed.ok ? accept({ status: 201, body: placed.value }) : placed
    },
  })

const liftHoldRoute = (context: Context): AnyRoute =>
  route({
    method: 'DELETE',
    path: '/admin/fulfillment-orders/:id/holds/:hold_id',
    summary: 'Release an operator hold; a review hold needs a decision',
    access: OPERATE,
    audit: { action: 'fulfillment.release' },
    params: z.object({ id, hold_id: id }),
    query: z.strictObject({ reason }),
    handle: async ({ params, query, caller }) => {
      const lifted = await liftHold(context, {
        fulfillment: params.id,
        hold: params.hold_id,
        actor: caller.actor,
        reason: query.reason,
      })
      return lifted.ok ? accept({ status: 204 }) : lifted
    },
  })

const listDispatchesRoute = ({ database, merchant }: Context): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/dispatches',
    summary: 'List dispatches, newest first',
    access: READ,
    audit: { none: 'read' },
    query: page.extend({
      state: z.enum(DISPATCH_STATES).optional(),
      partner: id.optional(),
      at_risk: z.enum(['true', 'false']).default('false'),
    }),
    handle: async ({ query }) => {
      const { state, partner } = query
      const rows = await listDispatches(database, merchant, {
        ...pageOf(query),
        isAtRisk: query.at_risk === 'true',
        ...(state === undefined ? {} : { state }),
        ...(partner === undefined ? {} : { partner }),
      })
      return paged(rows, query.limit)
    },
  })

const showDispatchRoute = ({ database, merchant }: Context): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/dispatches/:id',
    summary: 'Show a dispatch with its attempts, lines and recalls',
    access: READ,
    audit: { none: 'read' },
    params: idParams,
    handle: async ({ params }) => {
      const one = await dispatchEvidence(database, merchant, params.id)
      if (!one) return refuse('dispatch_unknown', `No dispatch ${params.id}.`)
      const recalls = await recallsOf(database, merchant, [one.id])
      const recall_lines = await recallLinesOf(database, merchant, [one.id])
      return accept({ status: 200, body: { ...one, recalls, recall_lines } })
    },
  })

const resolveRoute = (context: Context): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/dispatches/:id/resolve',
    summary: 'Answer a dispatch in doubt, after asking the partner',
    access: OPERATE,
    audit: { action: 'dispatch.resolve' },
    params: idParams,
    body: z.strictObject({ outcome: z.enum(['received', 'not_received', 'recall']), note: reason }),
    handle: async ({ params, body, caller }) => {
      const resolved = await resolveDispatch(context, {
        dispatch: params.id,
        outcome: body.outcome,
        note: body.note,
        actor: caller.actor,
      })
      return resolved.ok ? accept({ status: 200, body: resolved.value }) : resolved
    },
  })

const listShipmentsRoute = ({ database, merchant }: Context): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/shipments',
    summary: 'List parcels, newest first',
    access: READ,
    audit: { none: 'read' },
    query: page,
    handle: async ({ query }) =>
      paged(await listShipments(database, merchant, pageOf(query)), query.limit),
  })

const listPartnersRoute = ({ database, merchant }: Context): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/partners',
    summary: 'List partners',
    access: READ,
    audit: { none: 'read' },
    handle: async () => {
      const partners = await listPartners(database, merchant)
      const items = partners.map((one) => ({
        id: one.id,
        name: one.name,
        url: one.url,
        location_id: one.locationId,
        grade: one.grade,
        concurrency_max: one.concurrencyMax,
        delivery: one.delivery,
        allow_private: one.allowPrivate.length > 0,
        allowed_networks: one.allowPrivate,
        paused_at: one.pausedAt,
        paused_reason: one.pausedReason,
      }))
      return accept({ status: 200, body: { items, next_cursor: null } })
    },
  })

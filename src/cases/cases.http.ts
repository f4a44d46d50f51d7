import { z } from 'zod'
import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { route, timeText } from '#platform/index.ts'
import type { Access, AnyRoute, Context, RouteReply } from '#platform/index.ts'
import { CASE_KINDS } from './case.ts'
import { caseEntries, findCase, listCases, openCaseTotals } from './case-queries.ts'
import { assignCase, noteCase, resolveCase } from './change-case.ts'
import type { CaseChanged } from './change-case.ts'

const READ: Access = { kind: 'scope', scope: 'fulfillment:read' }
const OPERATE: Access = { kind: 'scope', scope: 'fulfillment:operate' }

const name = z.string().min(1).max(128)
const idParams = z.object({ id: z.string().min(1).max(64) })
const words = z.string().min(1).max(2_000)
const listQuery = z.strictObject({
  state: z.enum(['open', 'resolved']).optional(),
  kind: z.enum(CASE_KINDS).optional(),
  owner: name.optional(),
  partner: name.optional(),
  due_before: timeText.optional(),
  cursor: z.string().max(64).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
})

/** The work list of people: cases, their history, and what people do about them. */
export function caseRoutes(context: Context): readonly AnyRoute[] {
  return [
    listRoute(context),
    showRoute(context),
    assignRoute(context),
    noteRoute(context),
    resolveRoute(context),
  ]
}

const listRoute = ({ database, merchant }: Context): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/cases',
    summary: 'Cases, the one due first at the top, and the money at stake in those that are open',
    access: READ,
    audit: { none: 'read' },
    query: listQuery,
    handle: async ({ query }) => {
      const { due_before: due, cursor: after, ...rest } = query
      const dueBefore = due === undefined ? undefined : new Date(due)
      const items = await listCases(database, merchant, { ...rest, after, dueBefore })
      const next = items.length === query.limit ? (items.at(-1)?.id ?? null) : null
      const totals = await openCaseTotals(database, merchant)
      return accept({ status: 200, body: { items, next_cursor: next, totals } })
    },
  })

const showRoute = ({ database, merchant }: Context): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/cases/:id',
    summary: 'Show a case with its history',
    access: READ,
    audit: { none: 'read' },
    params: idParams,
    handle: async ({ params }) => {
      const one = await findCase(database, merchant, params.id)
      if (!one) return refuse('case_unknown', `There is no case ${params.id}.`)
      const entries = await caseEntries(database, merchant, one.id)
      return accept({ status: 200, body: { ...one, entries } })
    },
  })

const assignRoute = (context: Context): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/cases/:id/assign',
    summary: 'Give a case to somebody; an Idempotency-Key makes it count once',
    access: OPERATE,
    audit: { action: 'case.assign' },
    params: idParams,
    body: z.strictObject({ owner: name, due_at: timeText.optional() }),
    handle: async ({ params, body, caller, headers }) => {
      const change = { case: params.id, actor: caller.actor, key: headers['idempotency-key'] }
      const dueAt = body.due_at === undefined ? undefined : new Date(body.due_at)
      return reply(
        context,
        change.case,
        await assignCase(context, { ...change, owner: body.owner, dueAt }),
      )
    },
  })

const noteRoute = (context: Context): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/cases/:id/notes',
    summary: 'Add a note to a case; an Idempotency-Key makes it count once',
    access: OPERATE,
    audit: { none: 'event_log' },
    params: idParams,
    body: z.strictObject({ text: words }),
    handle: async ({ params, body, caller, headers }) => {
      const change = { case: params.id, actor: caller.actor, key: headers['idempotency-key'] }
      return reply(context, change.case, await noteCase(context, { ...change, text: body.text }))
    },
  })

const resolveRoute = (context: Context): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/cases/:id/resolve',
    summary: 'Close a case with what came of it; the same again changes nothing',
    access: OPERATE,
    audit: { action: 'case.resolve' },
    params: idParams,
    body: z.strictObject({ outcome: words }),
    handle: async ({ params, body, caller, headers }) => {
      const change = { case: params.id, actor: caller.actor, key: headers['idempotency-key'] }
      return reply(
        context,
        change.case,
        await resolveCase(context, { ...change, outcome: body.outcome }),
      )
    },
  })

async function reply(
  { database, merchant }: Context,
  id: string,
  changed: Outcome<CaseChanged>,
): Promise<Outcome<RouteReply>> {
  if (!changed.ok) return changed
  const body = await findCase(database, merchant, id)
  const headers = changed.value.wasNew ? {} : { 'idempotent-replayed': 'true' }
  return accept({ status: 200, body, headers })
}

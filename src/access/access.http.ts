import { z } from 'zod'
import { accept } from '#kernel/index.ts'
import { route, SCOPES, transact } from '#platform/index.ts'
import type { AnyRoute, Context } from '#platform/index.ts'
import { cursorQuery, toPage } from '#platform/http/index.ts'
import { createApiKey, listApiKeys, revokeApiKey } from './api-key.ts'
import { listAuditEntries } from './audit-log.ts'
import type { Authenticator } from './authenticate.ts'

const keyInput = z.strictObject({
  name: z.string().trim().min(1).max(100),
  scopes: z.array(z.enum(SCOPES)).min(1).max(SCOPES.length),
})

/** `/admin/api-keys` and `/admin/audit`. */
export function accessRoutes(
  context: Context,
  authenticator: Pick<Authenticator, 'forget'>,
): readonly AnyRoute[] {
  return [
    listKeysRoute(context),
    createKeyRoute(context),
    revokeKeyRoute(context, authenticator),
    auditRoute(context),
  ]
}

const listKeysRoute = ({ database, merchant }: Context): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/api-keys',
    summary: 'API keys, without the keys themselves.',
    access: { kind: 'scope', scope: 'admin:read' },
    audit: { none: 'read' },
    query: cursorQuery,
    handle: async ({ query: { cursor, limit } }) => {
      const keys = await listApiKeys(database, merchant, { after: cursor ?? '', limit: limit + 1 })
      const page = toPage(
        keys,
        limit,
        (key) => key.id,
        (key) => ({
          id: key.id,
          name: key.name,
          scopes: key.scopes,
          created_by: key.createdBy,
          created_at: key.createdAt,
          revoked_at: key.revokedAt,
        }),
      )
      return accept({ status: 200, body: page })
    },
  })

const createKeyRoute = ({ database, merchant }: Context): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/api-keys',
    summary: 'Makes an API key. It is shown in this answer only; asking again makes another.',
    access: { kind: 'scope', scope: 'admin:write' },
    audit: { action: 'access.api_key_created' },
    body: keyInput,
    handle: async ({ body, caller }) => {
      const made = await transact(database, (tx) =>
        createApiKey(tx, merchant, { ...body, maker: caller }),
      )
      return made.ok ? accept({ status: 201, body: { ...body, ...made.value } }) : made
    },
  })

const revokeKeyRoute = (
  { database, merchant }: Context,
  authenticator: Pick<Authenticator, 'forget'>,
): AnyRoute =>
  route({
    method: 'DELETE',
    path: '/admin/api-keys/:id',
    summary: 'Revokes an API key: at once in this process, within 30 seconds in every other.',
    access: { kind: 'scope', scope: 'admin:write' },
    audit: { action: 'access.api_key_revoked' },
    params: z.object({ id: z.string() }),
    handle: async ({ params, caller }) => {
      const revoked = await transact(database, (tx) =>
        revokeApiKey(tx, merchant, { id: params.id, actor: caller.actor }),
      )
      if (!revoked.ok) return revoked
      authenticator.forget()
      return accept({ status: 204 })
    },
  })

const auditRoute = ({ database, merchant }: Context): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/audit',
    summary: 'Who did what, newest first.',
    access: { kind: 'scope', scope: 'admin:read' },
    audit: { none: 'read' },
    query: cursorQuery,
    handle: async ({ query: { cursor, limit } }) => {
      const page = { before: cursor, limit: limit + 1 }
      const entries = await listAuditEntries(database, merchant, page)
      const body = toPage(
        entries,
        limit,
        (entry) => entry.id,
        (entry) => entry,
      )
      return accept({ status: 200, body })
    },
  })

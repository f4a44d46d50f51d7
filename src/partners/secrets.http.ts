import { z } from 'zod'
import { accept, refuse } from '#kernel/index.ts'
import { route } from '#platform/index.ts'
import type { Access, AnyRoute, Context } from '#platform/index.ts'
import { retirePartnerSecret, rotatePartnerSecret } from './change-secret.ts'
import { findPartner } from './list-partners.ts'
import { partnerSecretStates } from './partner-secrets.ts'

const READ: Access = { kind: 'scope', scope: 'fulfillment:read' }
const OPERATE: Access = { kind: 'scope', scope: 'fulfillment:operate' }

const params = z.object({ id: z.string().max(32) })
const direction = z.enum(['dispatch', 'event'])
const reason = z.string().min(1).max(500)
const OVERLAP_MAX_S = 7 * 86_400

/** What the secret routes are given. */
export type SecretDeps = { readonly context: Context; readonly masterKey: Uint8Array }

/** The secrets of partners, by direction: what is live, rotation, retirement. */
export function partnerSecretRoutes(deps: SecretDeps): readonly AnyRoute[] {
  return [listRoute(deps), rotateRoute(deps), retireRoute(deps)]
}

const listRoute = ({ context }: SecretDeps): AnyRoute =>
  route({
    method: 'GET',
    path: '/admin/partners/:id/secrets',
    summary: 'The secrets of a partner without the secrets: which are live and when each was used',
    access: READ,
    audit: { none: 'read' },
    params,
    handle: async ({ params: { id } }) => {
      const { database, merchant } = context
      if (!(await findPartner(database, merchant, id))) {
        return refuse('partner_unknown', `No partner ${id}.`)
      }
      const [dispatch, event] = await Promise.all([
        partnerSecretStates(context, id, 'dispatch'),
        partnerSecretStates(context, id, 'event'),
      ])
      return accept({ status: 200, body: { dispatch, event } })
    },
  })

const rotateRoute = ({ context, masterKey }: SecretDeps): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/partners/:id/secrets',
    summary: 'Make a new secret, shown once. The old one is live beside it for a day, or as told.',
    access: OPERATE,
    audit: { action: 'partner.secret_rotated' },
    params,
    body: z.strictObject({
      direction,
      reason,
      overlap_seconds: z.int().min(60).max(OVERLAP_MAX_S).optional(),
      compromised: z.boolean().default(false),
    }),
    handle: async ({ params: { id }, body, caller }) => {
      const rotated = await rotatePartnerSecret(context, masterKey, {
        partner: id,
        direction: body.direction,
        reason: body.reason,
        overlapS: body.overlap_seconds,
        isCompromised: body.compromised,
        actor: caller.actor,
      })
      if (!rotated.ok) return rotated
      const { secret, number, overlapS } = rotated.value
      return accept({ status: 201, body: { secret, number, overlap_seconds: overlapS } })
    },
  })

const retireRoute = ({ context }: SecretDeps): AnyRoute =>
  route({
    method: 'POST',
    path: '/admin/partners/:id/secrets/retire',
    summary: 'End one live secret now; refused while it is in use, unless it leaked',
    access: OPERATE,
    audit: { action: 'partner.secret_retired' },
    params,
    body: z.strictObject({
      direction,
      reason,
      number: z.int().min(1).max(1_000_000),
      compromised: z.boolean().default(false),
    }),
    handle: async ({ params: { id }, body, caller }) => {
      const retired = await retirePartnerSecret(context, {
        partner: id,
        direction: body.direction,
        reason: body.reason,
        number: body.number,
        isCompromised: body.compromised,
        actor: caller.actor,
      })
      return retired.ok ? accept({ status: 204 }) : retired
    },
  })

import { z } from 'zod'
import { accept } from '#kernel/index.ts'
import { route } from '#platform/index.ts'
import type { AnyRoute } from '#platform/index.ts'
import { webhookIdOf } from '../idempotency-key.ts'
import { notVerified, verifyPartner } from '../ship/verify-partner.ts'
import { servePull } from './serve-pull.ts'
import type { PullDeps } from './serve-pull.ts'

/** `GET /partners/{id}/pull?key=`: the sealed bytes, for a partner that must not be sent bodies. */
export function pullRoutes(deps: PullDeps): readonly AnyRoute[] {
  return [
    route({
      method: 'GET',
      path: '/partners/:id/pull',
      summary:
        'Fetch the sealed bytes of a dispatch that a ping announced, signed over an empty body',
      access: { kind: 'signature' },
      audit: { none: 'read' },
      params: z.object({ id: z.string().max(32) }),
      query: z.object({ key: z.string().regex(/^hfd1-[a-z2-7]{32}$/) }),
      handle: async ({ params, query, headers }) => {
        const message = { partner: params.id, headers, body: new Uint8Array() }
        const verified = await verifyPartner(deps, message)
        if (!verified.ok) return verified
        const { id, secretNumber } = verified.value
        // The signature does not cover the address: the id says which key was asked for.
        if (id !== webhookIdOf(query.key)) return notVerified()
        const pulled = await servePull(deps, { partner: params.id, key: query.key, secretNumber })
        if (!pulled.ok) return pulled
        const { bytes, headers: signed } = pulled.value
        const { 'content-type': contentType = 'application/json', ...rest } = signed
        return accept({ status: 200, body: bytes, contentType, headers: rest })
      },
    }),
  ]
}

import { z } from 'zod'
import { accept } from '#kernel/index.ts'
import { route } from '#platform/index.ts'
import type { Access, AnyRoute, Context } from '#platform/index.ts'
import { releaseShort, resendRejected } from './settle-open-lines.ts'

const OPERATE: Access = { kind: 'scope', scope: 'fulfillment:operate' }
const params = z.object({ id: z.string().min(1).max(64) })
const body = z.strictObject({ reason: z.string().min(1).max(500) })

/** What a person says of units that a partner will not ship. */
export function parcelRoutes(context: Context): readonly AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/admin/fulfillment-orders/:id/resend',
      summary: 'Send a rejected fulfillment order to its partner again, under the same order key',
      access: OPERATE,
      audit: { action: 'fulfillment.resend' },
      params,
      body,
      handle: async ({ params: { id }, body: { reason }, caller: { actor } }) => {
        const sent = await resendRejected(context, { fulfillment: id, actor, reason })
        return sent.ok ? accept({ status: 200, body: sent.value }) : sent
      },
    }),
    route({
      method: 'POST',
      path: '/admin/fulfillment-orders/:id/release-short',
      summary: 'Give up the units that a partner will not ship; their stock is free again',
      access: OPERATE,
      audit: { action: 'fulfillment.release_short' },
      params,
      body,
      handle: async ({ params: { id }, body: { reason }, caller: { actor } }) => {
        const given = await releaseShort(context, { fulfillment: id, actor, reason })
        return given.ok ? accept({ status: 200, body: given.value }) : given
      },
    }),
  ]
}

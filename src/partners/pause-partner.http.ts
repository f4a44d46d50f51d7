import { z } from 'zod'
import { accept } from '#kernel/index.ts'
import { route } from '#platform/index.ts'
import type { AnyRoute, Context } from '#platform/index.ts'
import { pausePartner, resumePartner } from './change-partner.ts'

const params = z.object({ id: z.string().max(32) })
const body = z.strictObject({ reason: z.string().min(1).max(500) })

const ACTS = [
  {
    act: 'pause',
    change: pausePartner,
    summary: 'Stop sending to a partner; what is on its way is finished, recalls still go out',
  },
  { act: 'resume', change: resumePartner, summary: 'Send to a paused partner again' },
] as const

/** `POST /admin/partners/:id/pause` and `/resume`: a person stops and starts the lane of a partner. */
export function partnerPauseRoutes(context: Context): readonly AnyRoute[] {
  return ACTS.map(({ act, change, summary }) =>
    route({
      method: 'POST',
      path: `/admin/partners/:id/${act}`,
      summary,
      access: { kind: 'scope', scope: 'fulfillment:operate' },
      audit: { action: `partner.${act}` },
      params,
      body,
      handle: async ({ params: { id }, body: { reason }, caller }) => {
        const changed = await change(context, { partner: id, reason, actor: caller.actor })
        return changed.ok ? accept({ status: 204 }) : changed
      },
    }),
  )
}

import { z } from 'zod'
import { accept, refuse } from '#kernel/index.ts'
import { route } from '#platform/index.ts'
import type { AnyRoute, Context } from '#platform/index.ts'
import { parseStrictJson, verifyWebhook } from '#platform/webhooks/index.ts'
import type { PartnerSecrets } from '#partners/index.ts'
import { keepEvent } from './keep-event.ts'

const EVENT_BYTES_MAX = 1024 * 1024

/** `POST /partners/{id}/events`: verified on raw bytes, kept, and only then answered with 202. */
export function inboundRoutes(deps: {
  readonly context: Context
  readonly secrets: PartnerSecrets
}): readonly AnyRoute[] {
  const { context, secrets } = deps
  return [
    route({
      method: 'POST',
      path: '/partners/:id/events',
      summary: 'Take a signed event of a partner (Standard Webhooks 1.0.0)',
      access: { kind: 'signature' },
      audit: { none: 'event_log' },
      params: z.object({ id: z.string().max(32) }),
      bodyMaxBytes: EVENT_BYTES_MAX,
      handle: async ({ params, headers, rawBody }) => {
        const live = await secrets.live(params.id, 'event')
        const nowS = Math.floor(context.clock.nowMs() / 1_000)
        const verified = verifyWebhook({ secrets: live, headers, body: rawBody, nowS })
        if (!verified.ok) {
          const { detail } = verified.refusal
          context.log.warn({ partner_id: params.id, detail }, 'a partner event did not verify')
          // Why a signature fails is for our log: outside, an unknown partner looks the same.
          return refuse('signature_invalid', 'The webhook does not verify.')
        }
        const json = parseStrictJson(rawBody)
        if (!json.ok) return json
        const webhookId = verified.value.id
        const kept = await keepEvent(context, { partner: params.id, webhookId, raw: rawBody })
        if (kept.ok) return accept({ status: 202, body: { id: webhookId, new: kept.value.isNew } })
        context.log.error({ partner_id: params.id, webhook_id: webhookId }, kept.refusal.detail)
        return kept
      },
    }),
  ]
}

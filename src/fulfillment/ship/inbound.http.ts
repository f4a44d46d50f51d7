import { z } from 'zod'
import { accept } from '#kernel/index.ts'
import { route } from '#platform/index.ts'
import type { AnyRoute, Context } from '#platform/index.ts'
import { parseStrictJson } from '#platform/webhooks/index.ts'
import type { PartnerSecrets } from '#partners/index.ts'
import { count, eventRefusal } from '#telemetry/index.ts'
import { keepEvent } from './keep-event.ts'
import { verifyPartner } from './verify-partner.ts'

/** Largest body of a partner event, in bytes. */
export const EVENT_BYTES_MAX = 1024 * 1024

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
      onRefused: (code) =>
        count('holdfast_partner_event_refused_total', { reason: eventRefusal(code) }),
      handle: async ({ params, headers, rawBody }) => {
        const message = { partner: params.id, headers, body: rawBody }
        const verified = await verifyPartner({ context, secrets }, message)
        if (!verified.ok) return verified
        const json = parseStrictJson(rawBody)
        if (!json.ok) return json
        const { id: webhookId, secretNumber } = verified.value
        const event = { partner: params.id, webhookId, secretNumber, raw: rawBody }
        const kept = await keepEvent(context, event)
        if (kept.ok) return accept({ status: 202, body: { id: webhookId, new: kept.value.isNew } })
        context.log.error({ partner_id: params.id, webhook_id: webhookId }, kept.refusal.detail)
        return kept
      },
    }),
  ]
}

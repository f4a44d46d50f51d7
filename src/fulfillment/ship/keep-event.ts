import { accept, bytesEqual, refuse, sha256 } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { many, maybe, statement, withTransaction } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { useSecret } from '#platform/secrets/index.ts'
import { ringOf } from '#partners/index.ts'
import { notifyWork } from '../fulfillment-statements.ts'
import { notVerified } from './verify-partner.ts'

const insertEvent = statement({
  name: 'fulfillment.insert_inbox_event',
  params: {
    merchant: 'text',
    partner: 'text',
    id: 'text',
    digest: 'bytea',
    raw: 'bytea',
    secret: 'int4',
  },
  row: { webhook_id: 'text' },
  text: `
    insert into fulfillment.inbox (merchant_id, partner_id, webhook_id, body_sha256, raw, secret_number)
    values ($merchant, $partner, $id, $digest, $raw, $secret)
    on conflict do nothing
    returning webhook_id`,
})

const selectEventDigest = statement({
  name: 'fulfillment.select_inbox_digest',
  params: { merchant: 'text', partner: 'text', id: 'text' },
  row: { body_sha256: 'bytea' },
  text: `
    select body_sha256 from fulfillment.inbox
     where merchant_id = $merchant and partner_id = $partner and webhook_id = $id`,
})

/**
 * Keeps a verified event, bytes and all, before anybody answers 2xx. The same id with the same body
 * is the same event; with another body it is refused (`event_conflict`). So is one whose secret ended
 * since it was read (`signature_invalid`). Which secret it was signed with is kept with it.
 */
export async function keepEvent(
  context: Context,
  event: {
    readonly partner: string
    readonly webhookId: string
    readonly secretNumber: number
    readonly raw: Buffer
  },
): Promise<Outcome<{ readonly isNew: boolean }>> {
  const { merchant } = context
  const digest = sha256(event.raw)
  const where = { merchant, partner: event.partner, id: event.webhookId }
  const { partner, raw, secretNumber: secret } = event
  return withTransaction(context.database, async (tx) => {
    const ring = ringOf({ merchant, partner, direction: 'event' })
    if (!(await useSecret(tx, ring, secret))) return notVerified()
    const inserted = await maybe(tx, insertEvent, { ...where, digest, raw, secret })
    if (inserted) {
      await many(tx, notifyWork, { topic: 'inbox' })
      return accept({ isNew: true })
    }
    const known = await maybe(tx, selectEventDigest, where)
    return known && bytesEqual(known.body_sha256, digest)
      ? accept({ isNew: false })
      : refuse('event_conflict', `Event ${event.webhookId} came before with another body.`)
  })
}

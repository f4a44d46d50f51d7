import { accept, refuse } from '#kernel/index.ts'
import type { Outcome, Refusal } from '#kernel/index.ts'
import type { PartnerSecrets } from '#partners/index.ts'
import type { Context } from '#platform/index.ts'
import { verifyWebhook } from '#platform/webhooks/index.ts'

/** A message that a partner signed, and the number of the secret that it signed with. */
export type SignedByPartner = { readonly id: string; readonly secretNumber: number }

/**
 * Verifies what a partner sent over its raw bytes, by any live event secret. Where those in memory do not
 * explain the signature they are read again first: the partner may know of a rotation before this process.
 * Refused: `signature_invalid`, for an unknown partner too.
 */
export async function verifyPartner(
  { context, secrets }: { readonly context: Context; readonly secrets: PartnerSecrets },
  message: {
    readonly partner: string
    readonly headers: Readonly<Record<string, string | undefined>>
    readonly body: Uint8Array
  },
): Promise<Outcome<SignedByPartner, Refusal<'signature_invalid'>>> {
  const { partner, headers, body } = message
  const nowS = Math.floor(context.clock.nowMs() / 1_000)
  let detail = ''
  for (const isFresh of [false, true]) {
    const live = await secrets.numbered(partner, 'event', { isFresh })
    const known = live.map((one) => one.secret)
    const verified = verifyWebhook({ secrets: known, headers, body, nowS })
    const signer = verified.ok ? live[verified.value.secretIndex] : undefined
    if (verified.ok && signer) {
      return accept({ id: verified.value.id, secretNumber: signer.number })
    }
    if (!verified.ok) detail = verified.refusal.detail
  }
  context.log.warn({ partner_id: partner, detail }, 'what a partner sent did not verify')
  return notVerified()
}

/** Why a signature fails is for our log: outside, an unknown partner looks the same. */
export function notVerified() {
  return refuse('signature_invalid', 'The webhook does not verify.')
}

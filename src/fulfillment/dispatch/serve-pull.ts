import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { ringOf } from '#partners/index.ts'
import type { PartnerSecrets } from '#partners/index.ts'
import { maybe, statement, withTransaction } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { useSecret } from '#platform/secrets/index.ts'
import { IS_ASKED_BACK } from '../recall/accepted-state.ts'
import type { SealProver } from '../seal/seal-proof.ts'
import { notVerified } from '../ship/verify-partner.ts'
import { dispatchRequest } from './dispatch-request.ts'

// Only under an intent that is committed and not over, or again what was fetched and is in doubt: from here
// on the bytes may have had an effect, and the dispatch is never queued without asking. A fetch in doubt ends
// the look-up that is under way and starts the settle window anew, because an absence that was seen before
// proves nothing of it; and what is asked back meanwhile is not given again.
const claimPull = statement({
  name: 'fulfillment.claim_pull',
  params: { merchant: 'text', partner: 'text', key: 'text' },
  row: {
    id: 'text',
    fence_epoch: 'int4',
    attempt: 'int4',
    bytes: 'bytea',
    proof_key_id: 'text?',
    proof: 'bytea?',
    now: 'timestamptz',
  },
  text: `
    with pulled as (
      update fulfillment.dispatch d
         set pulled_at = coalesce(d.pulled_at, now()),
             intent_at = case when d.state = 'unknown' then now() else d.intent_at end,
             lease_token = case when d.state = 'unknown' then null else d.lease_token end,
             absent_since = null
       where d.merchant_id = $merchant and d.partner_id = $partner and d.key = $key
         and ((d.state = 'sending' and d.lease_until > now())
           or (d.state = 'unknown' and d.pulled_at is not null and not ${IS_ASKED_BACK}))
         and d.fence_epoch = (select fence_epoch from platform.instance)
         and exists (select from partners.partner p
                      where p.merchant_id = $merchant and p.id = $partner and p.delivery = 'pull')
      returning d.merchant_id, d.id, d.fence_epoch, d.attempt
    )
    select p.id, p.fence_epoch, p.attempt, b.bytes, b.proof_key_id, b.proof, now() as now
      from pulled p
      join fulfillment.sealed_body b on b.merchant_id = p.merchant_id and b.dispatch_id = p.id`,
})

/** What a pull is given. */
export type PullDeps = {
  readonly context: Context
  readonly secrets: PartnerSecrets
  readonly prover: SealProver
}

/** The sealed bytes and the headers that a POST of them would carry. */
export type PulledDispatch = {
  readonly bytes: Buffer
  readonly headers: Readonly<Record<string, string>>
}

/**
 * Gives a partner the sealed bytes of a dispatch that is being announced to it. That they were fetched is
 * committed first. Refused: `signature_invalid` where its secret has ended, and `dispatch_state` for every
 * key that is not under way to this partner, known or not, and for bytes that this installation did not seal.
 */
export async function servePull(
  deps: PullDeps,
  pull: { readonly partner: string; readonly key: string; readonly secretNumber: number },
): Promise<Outcome<PulledDispatch>> {
  const { context, prover } = deps
  const { merchant, database } = context
  const { partner, key } = pull
  const secrets = await deps.secrets.live(partner, 'dispatch')
  const found = await withTransaction(database, async (tx) => {
    const ring = ringOf({ merchant, partner, direction: 'event' })
    if (!(await useSecret(tx, ring, pull.secretNumber))) return notVerified()
    return accept(await maybe(tx, claimPull, { merchant, partner, key }))
  })
  if (!found.ok) return found
  const one = found.value
  const isOurs =
    one !== undefined &&
    prover.isProven(
      { merchant, partner, dispatch: one.id, key, bytes: one.bytes },
      { keyId: one.proof_key_id, mac: one.proof },
    )
  if (!isOurs || secrets.length === 0) {
    return refuse('dispatch_state', `Nothing under ${key} is under way to ${partner}.`)
  }
  const { headers } = dispatchRequest({
    partner: { url: '', allowPrivate: false },
    secrets,
    key,
    bytes: one.bytes,
    fenceEpoch: one.fence_epoch,
    attempt: one.attempt,
    timestampS: Math.floor(one.now.getTime() / 1_000),
  })
  return accept({ bytes: one.bytes, headers })
}

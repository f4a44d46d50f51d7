import { accept, refuse } from '#kernel/index.ts'
import type { Outcome, Refusal } from '#kernel/index.ts'
import { change, maybe } from '../database/database.ts'
import type { Transaction } from '../database/database.ts'
import { statement } from '../database/statement.ts'
import { newWebhookSecret } from '../webhooks/secret.ts'
import { addSecret, IN_USE, IS_LIVE } from './secret-ring.ts'
import type { SecretOwner } from './secret-ring.ts'

// A day, as the field does it.
const OVERLAP_S = 24 * 3_600

/** A new secret, told this once. The one before it is live for `overlapS` more seconds. */
export type RotatedSecret = {
  readonly secret: string
  readonly number: number
  readonly overlapS: number
}

const selectRing = statement({
  name: 'platform.select_secret_ring',
  params: { merchant: 'text', owner: 'text' },
  row: { newest: 'int4', live: 'int4' },
  text: `
    select coalesce(max(number), 0)::int4 as newest,
           (count(*) filter (where ${IS_LIVE}))::int4 as live
      from platform.secret
     where merchant_id = $merchant and owner = $owner`,
})

const overlapLive = statement({
  name: 'platform.overlap_live_secrets',
  params: { merchant: 'text', owner: 'text', overlap: 'int4' },
  text: `
    update platform.secret
       set overlap_until = now() + make_interval(secs => $overlap)
     where merchant_id = $merchant and owner = $owner and ${IS_LIVE}`,
})

const endLive = statement({
  name: 'platform.end_live_secrets',
  params: { merchant: 'text', owner: 'text', actor: 'text' },
  text: `
    update platform.secret
       set ended_at = now(), ended_by = $actor
     where merchant_id = $merchant and owner = $owner and ${IS_LIVE}`,
})

// The guards stand in the statement: not the last live one, and not one in use unless it is forced.
const endOne = statement({
  name: 'platform.end_secret',
  params: { merchant: 'text', owner: 'text', number: 'int4', forced: 'bool', actor: 'text' },
  text: `
    update platform.secret
       set ended_at = now(), ended_by = $actor
     where merchant_id = $merchant and owner = $owner and number = $number and ${IS_LIVE}
       and ($forced or not coalesce(${IN_USE}, false))
       and exists (select from platform.secret other
                    where other.merchant_id = $merchant and other.owner = $owner
                      and other.number <> $number and other.ended_at is null
                      and (other.overlap_until is null or other.overlap_until > now()
                        or other.last_used_at > now() - interval '61 minutes'))`,
})

// What is left alone must not end by the overlap that it was given while there was another.
const keepLast = statement({
  name: 'platform.keep_last_secret',
  params: { merchant: 'text', owner: 'text' },
  text: `
    update platform.secret
       set overlap_until = null
     where merchant_id = $merchant and owner = $owner and overlap_until is not null and ${IS_LIVE}`,
})

const selectOne = statement({
  name: 'platform.select_secret_in_use',
  params: { merchant: 'text', owner: 'text', number: 'int4' },
  row: { is_live: 'bool', is_used: 'bool' },
  text: `
    select coalesce(${IS_LIVE}, false) as is_live, coalesce(${IN_USE}, false) as is_used
      from platform.secret
     where merchant_id = $merchant and owner = $owner and number = $number`,
})

/**
 * Makes a new secret; the one before it lives on for `overlapS` seconds, and after them while it is in use,
 * so that the other side changes in its own time. With 0 everything before ends now, in use or not: for
 * a secret that leaked. The caller holds the lock of the owner. At most two are live: a third is refused
 * (`secret_overlap`), so that a request which is sent again cannot end what the other side signs with.
 */
export async function rotateSecret(
  tx: Transaction,
  masterKey: Uint8Array,
  input: SecretOwner & { readonly actor: string; readonly overlapS?: number | undefined },
): Promise<Outcome<RotatedSecret, Refusal<'secret_overlap'>>> {
  const { merchant, owner, actor, overlapS = OVERLAP_S } = input
  const ring = await maybe(tx, selectRing, { merchant, owner })
  if ((ring?.live ?? 0) > 1 && overlapS > 0) {
    return refuse('secret_overlap', 'Two secrets are live: retire one of them first.')
  }
  await (overlapS > 0
    ? change(tx, overlapLive, { merchant, owner, overlap: overlapS })
    : change(tx, endLive, { merchant, owner, actor }))
  const number = (ring?.newest ?? 0) + 1
  const secret = newWebhookSecret()
  await addSecret(tx, masterKey, { merchant, owner, number, secret })
  return accept({ secret, number, overlapS })
}

/**
 * Ends one live secret now; the one that is left is live without end. Refused: `secret_unknown` where it is not live, `secret_in_use` where something
 * came in that was signed with it within the hour and it is not `isForced` (for a secret that leaked), and
 * `secret_last` where no other is live: then a rotation without overlap is the way. The caller holds the
 * lock of the owner.
 */
export async function retireSecret(
  tx: Transaction,
  input: SecretOwner & {
    readonly number: number
    readonly actor: string
    readonly isForced: boolean
  },
): Promise<Outcome<null, Refusal<'secret_unknown' | 'secret_in_use' | 'secret_last'>>> {
  const { merchant, owner, number, actor, isForced } = input
  const ended = await change(tx, endOne, { merchant, owner, number, actor, forced: isForced })
  if (ended === 1) {
    await change(tx, keepLast, { merchant, owner })
    return accept(null)
  }
  const one = await maybe(tx, selectOne, { merchant, owner, number })
  if (!one?.is_live) return refuse('secret_unknown', `No live secret has the number ${number}.`)
  if (one.is_used && !isForced) {
    return refuse('secret_in_use', `Secret ${number} was used within the last hour.`)
  }
  return refuse('secret_last', `Secret ${number} is the only one: make a new one first.`)
}

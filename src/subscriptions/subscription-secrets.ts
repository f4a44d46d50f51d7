import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { appendAudit, change, many, maybe, read, statement, transact } from '#platform/index.ts'
import type { Context, Database, Transaction } from '#platform/index.ts'
import { newWebhookSecret, openSecret, sealSecret } from '#platform/webhooks/index.ts'

const selectLive = statement({
  name: 'subscriptions.select_live_secrets',
  params: { merchant: 'text', subscription: 'text' },
  row: { number: 'int4', sealed: 'bytea' },
  text: `
    select number, sealed from subscriptions.secret
     where merchant_id = $merchant and subscription_id = $subscription
       and (expires_at is null or expires_at > now())
     order by number desc
     limit 2`,
})

const insertSecret = statement({
  name: 'subscriptions.insert_secret',
  params: { merchant: 'text', subscription: 'text', number: 'int4', sealed: 'bytea' },
  text: `
    insert into subscriptions.secret (merchant_id, subscription_id, number, sealed)
    values ($merchant, $subscription, $number, $sealed)`,
})

// The newest secret lives on for the overlap; those before it end now, so that at most two are live.
const expireSecrets = statement({
  name: 'subscriptions.expire_secrets',
  params: { merchant: 'text', subscription: 'text', newest: 'int4', overlap: 'int4' },
  text: `
    update subscriptions.secret
       set expires_at = now() + case when number = $newest
                                     then make_interval(secs => $overlap) else interval '0' end
     where merchant_id = $merchant and subscription_id = $subscription
       and (expires_at is null or expires_at > now())`,
})

const lockSubscription = statement({
  name: 'subscriptions.lock_for_rotation',
  params: { merchant: 'text', id: 'text' },
  row: { id: 'text' },
  text: `
    select id from subscriptions.subscription
     where merchant_id = $merchant and id = $id and deleted_at is null
       for no key update`,
})

const newestNumber = statement({
  name: 'subscriptions.newest_secret_number',
  params: { merchant: 'text', subscription: 'text' },
  row: { number: 'int4' },
  text: `
    select coalesce(max(number), 0)::int4 as number from subscriptions.secret
     where merchant_id = $merchant and subscription_id = $subscription`,
})

type Place = { readonly merchant: string; readonly subscription: string; readonly number: number }

const placeText = ({ merchant, subscription, number }: Place): string =>
  `${merchant}|subscription|${subscription}|${number}`

/** Makes a secret and keeps it sealed; the answer is the only time it is told. */
export async function makeSecret(
  tx: Transaction,
  masterKey: Uint8Array,
  place: Place,
): Promise<string> {
  const secret = newWebhookSecret()
  const sealed = sealSecret(masterKey, placeText(place), secret)
  await change(tx, insertSecret, { ...place, sealed })
  return secret
}

/** The secrets that sign now, newest first: one, or two while a rotation overlaps. */
export async function liveSecrets(
  database: Database,
  masterKey: Uint8Array,
  place: { readonly merchant: string; readonly subscription: string },
): Promise<readonly string[]> {
  const rows = await read(database, selectLive, place)
  return rows.map(({ number, sealed }) =>
    openSecret(masterKey, placeText({ ...place, number }), sealed),
  )
}

/** The first secret of a subscription while it is the only one, else undefined. */
export async function firstSecret(
  tx: Transaction,
  masterKey: Uint8Array,
  place: { readonly merchant: string; readonly subscription: string },
): Promise<string | undefined> {
  const [newest, ...older] = await many(tx, selectLive, place)
  if (newest?.number !== 1 || older.length > 0) return undefined
  return openSecret(masterKey, placeText({ ...place, number: 1 }), newest.sealed)
}

/** Default overlap of a rotation: a day, as the field does it. */
export const OVERLAP_S = 24 * 3_600

/**
 * Makes a new secret, told once. The one before it signs beside it for `overlapS` seconds (0 for a
 * secret that leaked), so that a receiver can change in its own time. Refused: `subscription_unknown`.
 */
export async function rotateSecret(
  context: Context,
  masterKey: Uint8Array,
  input: { readonly subscription: string; readonly actor: string; readonly overlapS?: number },
): Promise<Outcome<{ readonly secret: string; readonly overlapS: number }>> {
  const { merchant, database } = context
  const { subscription, actor } = input
  const overlapS = input.overlapS ?? OVERLAP_S
  return transact(database, async (tx) => {
    if (!(await maybe(tx, lockSubscription, { merchant, id: subscription }))) {
      return refuse('subscription_unknown', `No subscription ${subscription}.`)
    }
    const newest = (await maybe(tx, newestNumber, { merchant, subscription }))?.number ?? 0
    await change(tx, expireSecrets, { merchant, subscription, newest, overlap: overlapS })
    const secret = await makeSecret(tx, masterKey, { merchant, subscription, number: newest + 1 })
    await appendAudit(tx, merchant, {
      actor,
      action: 'webhook.secret_rotated',
      subjectId: subscription,
      after: { number: newest + 1, overlap_s: overlapS },
    })
    return accept({ secret, overlapS })
  })
}

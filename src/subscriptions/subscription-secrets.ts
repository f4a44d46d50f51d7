import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { appendAudit, maybe, statement, transact } from '#platform/index.ts'
import type { Context, Database, Transaction } from '#platform/index.ts'
import * as ring from '#platform/secrets/index.ts'
import type { RotatedSecret } from '#platform/secrets/index.ts'
import { newWebhookSecret } from '#platform/webhooks/index.ts'

const lockSubscription = statement({
  name: 'subscriptions.lock_for_rotation',
  params: { merchant: 'text', id: 'text' },
  row: { id: 'text' },
  text: `
    select id from subscriptions.subscription
     where merchant_id = $merchant and id = $id and deleted_at is null
       for no key update`,
})

type Place = { readonly merchant: string; readonly subscription: string }

const ownerOf = ({ merchant, subscription }: Place) => ({
  merchant,
  owner: `subscription|${subscription}`,
})

/** Makes the first secret and keeps it sealed; the answer is the only time it is told. */
export async function makeSecret(
  tx: Transaction,
  masterKey: Uint8Array,
  place: Place,
): Promise<string> {
  const secret = newWebhookSecret()
  await ring.addSecret(tx, masterKey, { ...ownerOf(place), number: 1, secret })
  return secret
}

/** The secrets that sign now, newest first: one, or two while a rotation overlaps. */
export async function liveSecrets(
  database: Database,
  masterKey: Uint8Array,
  place: Place,
): Promise<readonly string[]> {
  return (await ring.liveSecrets(database, masterKey, ownerOf(place))).map((one) => one.secret)
}

/** The first secret of a subscription while it is the only one, else undefined. */
export async function firstSecret(
  tx: Transaction,
  masterKey: Uint8Array,
  place: Place,
): Promise<string | undefined> {
  const [newest, ...older] = await ring.liveSecretsIn(tx, masterKey, ownerOf(place))
  return newest?.number === 1 && older.length === 0 ? newest.secret : undefined
}

/**
 * Makes a new secret, told once. The one before it signs beside it for `overlapS` seconds (0 for a
 * secret that leaked), so that a receiver can change in its own time. Refused: `subscription_unknown`,
 * `secret_overlap` while two sign already.
 */
export async function rotateSecret(
  context: Context,
  masterKey: Uint8Array,
  input: { readonly subscription: string; readonly actor: string; readonly overlapS?: number },
): Promise<Outcome<RotatedSecret>> {
  const { merchant, database } = context
  const { subscription, actor, overlapS } = input
  return transact(database, async (tx) => {
    if (!(await maybe(tx, lockSubscription, { merchant, id: subscription }))) {
      return refuse('subscription_unknown', `No subscription ${subscription}.`)
    }
    const owner = ownerOf({ merchant, subscription })
    const rotated = await ring.rotateSecret(tx, masterKey, { ...owner, actor, overlapS })
    if (!rotated.ok) return rotated
    await appendAudit(tx, merchant, {
      actor,
      action: 'webhook.secret_rotated',
      subjectId: subscription,
      after: { number: rotated.value.number, overlap_s: rotated.value.overlapS },
    })
    return accept(rotated.value)
  })
}

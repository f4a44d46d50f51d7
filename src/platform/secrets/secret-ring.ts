import { refuse, RefusedError } from '#kernel/index.ts'
import { change, many, maybe, read } from '../database/database.ts'
import type { Database, Transaction } from '../database/database.ts'
import { statement } from '../database/statement.ts'
import type { RowOf } from '../database/statement.ts'
import { masterKeyId, openSecret, sealSecret } from '../webhooks/seal-secret.ts'

/**
 * Whose secrets: `shipco|dispatch`, `subscription|whs_…`. The name is part of what each ciphertext is
 * bound to, so that a row which is moved to another owner opens for nobody.
 */
export type SecretOwner = { readonly merchant: string; readonly owner: string }

/** A secret that signs and verifies now, by its number. */
export type LiveSecret = { readonly number: number; readonly secret: string }

/**
 * A secret in use is not taken away from under whoever signs with it: within the hour of its last use, and
 * a minute more, because use is recorded once a minute at most.
 */
export const IN_USE = `last_used_at > now() - interval '61 minutes'`

/** Not ended by anybody; followed by a newer one, within its overlap or in use. */
export const IS_LIVE = `ended_at is null
       and (overlap_until is null or overlap_until > now() or ${IN_USE})`

const selectLive = statement({
  name: 'platform.select_live_secrets',
  params: { merchant: 'text', owner: 'text' },
  row: { number: 'int4', sealed: 'bytea' },
  text: `
    select number, sealed from platform.secret
     where merchant_id = $merchant and owner = $owner and ${IS_LIVE}
     order by number desc
     limit 2`,
})

// A process that runs on after its key was retired seals nothing with it any more.
const insertSecret = statement({
  name: 'platform.insert_secret',
  params: { merchant: 'text', owner: 'text', number: 'int4', sealed: 'bytea', key: 'text' },
  text: `
    insert into platform.secret (merchant_id, owner, number, sealed)
    select $merchant, $owner, $number, $sealed
     where not exists (select from platform.master_key)
        or exists (select from platform.master_key where id = $key and retired_at is null)`,
})

const selectStates = statement({
  name: 'platform.select_secret_states',
  params: { merchant: 'text', owner: 'text' },
  row: {
    number: 'int4',
    created_at: 'timestamptz',
    overlap_until: 'timestamptz?',
    last_used_at: 'timestamptz?',
    ended_at: 'timestamptz?',
    ended_by: 'text?',
    is_live: 'bool',
  },
  text: `
    select number, created_at, overlap_until, last_used_at, ended_at, ended_by,
           coalesce(${IS_LIVE}, false) as is_live
      from platform.secret
     where merchant_id = $merchant and owner = $owner
     order by number desc
     limit 100`,
})

const recordUse = statement({
  name: 'platform.record_secret_use',
  params: { merchant: 'text', owner: 'text', number: 'int4' },
  row: { is_live: 'bool' },
  text: `
    with used as (
      update platform.secret set last_used_at = now()
       where merchant_id = $merchant and owner = $owner and number = $number and ${IS_LIVE}
         and (last_used_at is null or last_used_at < now() - interval '1 minute')
    )
    select exists (select from platform.secret
                    where merchant_id = $merchant and owner = $owner and number = $number
                      and ${IS_LIVE}) as is_live`,
})

/** What is known of a secret but the secret itself. Times are of the database. */
export type SecretState = RowOf<typeof selectStates.row>

/**
 * Seals a secret under the master key and keeps it; the caller tells it once, and nobody can again. Throws
 * the refusal `master_key_unknown` if the key is no longer in force.
 */
export async function addSecret(
  tx: Transaction,
  masterKey: Uint8Array,
  place: SecretOwner & LiveSecret,
): Promise<void> {
  const { merchant, owner, number, secret } = place
  const sealed = sealSecret(masterKey, placeText(place), secret)
  const key = masterKeyId(masterKey)
  if ((await change(tx, insertSecret, { merchant, owner, number, sealed, key })) === 1) return
  throw new RefusedError(
    refuse(
      'master_key_unknown',
      `The master key ${key} is no longer in force: nothing is sealed with it.`,
    ).refusal,
  )
}

/** The secrets that sign and verify now, newest first: one, or two while a rotation overlaps. */
export async function liveSecrets(
  database: Database,
  masterKey: Uint8Array,
  owner: SecretOwner,
): Promise<readonly LiveSecret[]> {
  return opened(masterKey, owner, await read(database, selectLive, owner))
}

/** The same inside a transaction. */
export async function liveSecretsIn(
  tx: Transaction,
  masterKey: Uint8Array,
  owner: SecretOwner,
): Promise<readonly LiveSecret[]> {
  return opened(masterKey, owner, await many(tx, selectLive, owner))
}

/** Every secret that an owner ever had, newest first, at most 100; no secret is among what is told. */
export async function secretStates(
  database: Database,
  owner: SecretOwner,
): Promise<readonly SecretState[]> {
  return read(database, selectStates, owner)
}

/**
 * Records that something was signed with a secret, in the transaction that takes it. False where the
 * secret is live no more: a reader that has it in memory must not outlive its end.
 */
export async function useSecret(
  tx: Transaction,
  owner: SecretOwner,
  number: number,
): Promise<boolean> {
  return (await maybe(tx, recordUse, { ...owner, number }))?.is_live ?? false
}

const opened = (
  masterKey: Uint8Array,
  owner: SecretOwner,
  rows: readonly { readonly number: number; readonly sealed: Buffer }[],
): readonly LiveSecret[] =>
  rows.map(({ number, sealed }) => ({
    number,
    secret: openSecret(masterKey, placeText({ ...owner, number }), sealed),
  }))

/** What a ciphertext is bound to: its row. */
export const placeText = (place: SecretOwner & { readonly number: number }): string =>
  `${place.merchant}|${place.owner}|${place.number}`

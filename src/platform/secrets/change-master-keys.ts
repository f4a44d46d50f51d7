import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { change, many, read, transact } from '../database/database.ts'
import type { Database, Transaction } from '../database/database.ts'
import { statement } from '../database/statement.ts'
import type { RowOf } from '../database/statement.ts'
import { appendAudit } from '../records/append-audit.ts'
import { keyIdOf } from '../webhooks/seal-secret.ts'

/** Who changes the list, of which key, and why. */
export type KeyChange = {
  readonly merchant: string
  readonly id: string
  readonly actor: string
  readonly reason: string
}

const selectAll = statement({
  name: 'platform.select_master_key_list',
  params: {},
  row: {
    id: 'text',
    added_at: 'timestamptz',
    added_by: 'text',
    retired_at: 'timestamptz?',
    retired_by: 'text?',
  },
  text: `select id, added_at, added_by, retired_at, retired_by from platform.master_key order by added_at, id`,
})

const lockList = statement({
  name: 'platform.lock_master_keys',
  params: {},
  row: { locked: 'bool' },
  text: `select platform.lock_master_keys() as locked`,
})

const addKey = statement({
  name: 'platform.add_master_key',
  params: { id: 'text', actor: 'text' },
  text: `
    insert into platform.master_key as k (id, added_by) values ($id, $actor)
    on conflict (id) do update set retired_at = null, retired_by = null, added_at = now(), added_by = $actor
     where k.retired_at is not null`,
})

const retireKey = statement({
  name: 'platform.retire_master_key',
  params: { id: 'text', actor: 'text' },
  text: `
    update platform.master_key set retired_at = now(), retired_by = $actor
     where id = $id and retired_at is null
       and exists (select from platform.master_key other where other.id <> $id and other.retired_at is null)`,
})

// Without the text: what a sealed secret begins with names its key.
const selectHeads = statement({
  name: 'platform.select_live_secret_heads',
  params: {},
  row: { head: 'bytea', secrets: 'int8' },
  text: `
    select substring(sealed from 1 for 14) as head, count(*) as secrets from platform.secret
     where ended_at is null group by 1`,
})

/** One key of the list, by its id, and how many live secrets it sealed. */
export type ListedKey = RowOf<typeof selectAll.row> & { readonly secrets: number }

/** Every key that was ever in force, oldest first. */
export async function listMasterKeys(database: Database): Promise<readonly ListedKey[]> {
  const keys = await read(database, selectAll, {})
  const heads = await read(database, selectHeads, {})
  return keys.map((key) => Object.assign({}, key, { secrets: sealedBy(heads, key.id) }))
}

/** Puts a key in force, as the owner, audited. One that is in force already changes nothing. */
export async function addMasterKey(
  database: Database,
  input: KeyChange,
): Promise<Outcome<{ readonly wasNew: boolean }>> {
  return transact(database, async (tx) => {
    await many(tx, lockList, {})
    const wasNew = (await change(tx, addKey, input)) === 1
    if (wasNew) await tell(tx, 'master_key.add', input)
    return accept({ wasNew })
  })
}

/**
 * Takes a key out of force, as the owner, audited: no process starts with it any more. Refuses
 * `master_key_unknown` if it is not in force, and `master_key_in_use` if it is the last one or if live
 * secrets are sealed with it (rotate those first).
 */
export async function retireMasterKey(
  database: Database,
  input: KeyChange,
): Promise<Outcome<null>> {
  return transact(database, async (tx) => {
    await many(tx, lockList, {})
    const { id } = input
    const isInForce = (await many(tx, selectAll, {})).some(
      (one) => one.id === id && one.retired_at === null,
    )
    if (!isInForce) return refuse('master_key_unknown', `No master key ${id} is in force.`)
    const secrets = sealedBy(await many(tx, selectHeads, {}), id)
    if (secrets > 0) {
      return refuse(
        'master_key_in_use',
        `${secrets} live secrets are sealed with ${id}: rotate them under the new key first.`,
      )
    }
    if ((await change(tx, retireKey, input)) === 0) {
      return refuse(
        'master_key_in_use',
        `${id} is the last master key in force: add another first.`,
      )
    }
    await tell(tx, 'master_key.retire', input)
    return accept(null)
  })
}

// A secret of an earlier build names no key: it may be of any.
const sealedBy = (
  heads: readonly { readonly head: Buffer; readonly secrets: number }[],
  id: string,
): number =>
  heads
    .filter(({ head }) => (keyIdOf(head) ?? id) === id)
    .reduce((sum, { secrets }) => sum + secrets, 0)

async function tell(tx: Transaction, action: string, input: KeyChange): Promise<void> {
  const { merchant, id, actor, reason } = input
  await appendAudit(tx, merchant, { actor, action, subjectId: id, reason })
}

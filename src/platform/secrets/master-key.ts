import { open } from 'node:fs/promises'
import { accept, newId, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { maybe, read, withTransaction } from '../database/database.ts'
import type { Database } from '../database/database.ts'
import { statement } from '../database/statement.ts'
import { masterKeyId, openSecret } from '../webhooks/seal-secret.ts'
import { placeText } from './secret-ring.ts'

const KEY_BYTES_MIN = 32
/** A key file is read so far and no further: `/dev/zero` has no end. */
const KEY_BYTES_MAX = 4_096
/** So many stored secrets are tried with the first key of a database. */
const TRIED_MAX = 1_000

/** A master key that was read. The key itself comes out only through the list of the database. */
export type LoadedKey = {
  /** `mk_…`, which tells nothing of the key. */
  readonly id: string
  /**
   * The key, if the database has it in force. A database without a list believes the first key that opens
   * one of its secrets, or any key while it stores none. Refuses `master_key_unknown`.
   */
  readonly admit: (database: Database, merchant: string) => Promise<Outcome<Buffer>>
}

/** Wraps a key so that no process can use it before `admit`. */
export function loadedKey(key: Buffer): LoadedKey {
  const id = masterKeyId(key)
  return { id, admit: (database, merchant) => admit(database, merchant, key) }
}

/** Reads a key file, at least 32 bytes and at most 4,096; `undefined` if it is not one. */
export async function readKeyFile(path: string): Promise<Buffer | undefined> {
  const file = await open(path, 'r').catch(() => undefined)
  if (!file) return undefined
  try {
    const kept = Buffer.alloc(KEY_BYTES_MAX + 1)
    let length = 0
    for (;;) {
      const { bytesRead } = await file.read(kept, length, kept.length - length)
      length += bytesRead
      if (bytesRead === 0 || length === kept.length) break
    }
    return length < KEY_BYTES_MIN || length > KEY_BYTES_MAX ? undefined : kept.subarray(0, length)
  } catch {
    return undefined
  } finally {
    await file.close()
  }
}

const selectKeys = statement({
  name: 'platform.select_master_keys',
  params: {},
  row: { id: 'text', in_force: 'bool' },
  text: `select id, retired_at is null as in_force from platform.master_key`,
})

const selectOldest = statement({
  name: 'platform.select_oldest_secrets',
  params: { limit: 'int4' },
  row: { merchant: 'text', owner: 'text', number: 'int4', sealed: 'bytea' },
  text: `
    select merchant_id as merchant, owner, number, sealed from platform.secret
     order by created_at, merchant_id, owner, number
     limit $limit`,
})

const believeFirst = statement({
  name: 'platform.believe_first_master_key',
  params: { id: 'text', opened: 'bool', merchant: 'text', audit: 'text', actor: 'text' },
  row: { believed: 'bool' },
  text: `
    select platform.believe_first_master_key($id, $opened, $merchant, $audit, $actor) as believed`,
})

async function admit(database: Database, merchant: string, key: Buffer): Promise<Outcome<Buffer>> {
  const id = masterKeyId(key)
  let listed = await read(database, selectKeys, {})
  if (listed.length === 0) {
    const stored = await read(database, selectOldest, { limit: TRIED_MAX })
    const opened = stored.some((one) => opens(key, one))
    if (stored.length > 0 && !opened) {
      return refuse(
        'master_key_unknown',
        `The master key ${id} opens none of the secrets of this database: this is another key than the one that sealed them.`,
      )
    }
    // Whether it was this call or that of another process, the list says who was first.
    const first = { id, opened, merchant, audit: newId('aud'), actor: 'service:start' }
    await withTransaction(database, (tx) => maybe(tx, believeFirst, first))
    listed = await read(database, selectKeys, {})
  }
  if (listed.some((one) => one.id === id && one.in_force)) return accept(key)
  const inForce = listed.filter((one) => one.in_force).map((one) => one.id)
  return refuse(
    'master_key_unknown',
    `The master key ${id} is not in force in this database, which has ${inForce.join(', ') || 'none'}. Give this process that key, or let the owner of the database run \`holdfast keys add\`.`,
  )
}

type Stored = {
  readonly merchant: string
  readonly owner: string
  readonly number: number
  readonly sealed: Buffer
}

/** True if the key opens a stored secret. */
function opens(key: Uint8Array, one: Stored): boolean {
  try {
    openSecret(key, placeText(one), one.sealed)
    return true
  } catch {
    return false
  }
}

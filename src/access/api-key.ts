import { randomBytes } from 'node:crypto'
import { accept, base32, bytesEqual, newId, refuse, sha256 } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { appendAudit, change, maybe, read, statement } from '#platform/index.ts'
import type { Caller, Database, Scope, Transaction } from '#platform/index.ts'
import { scopesOf } from './role.ts'

/** An API key as it may be shown: never the key, never its hash. */
export type ApiKey = {
  readonly id: string
  readonly name: string
  readonly scopes: readonly string[]
  readonly createdBy: string
  readonly createdAt: Date
  readonly revokedAt: Date | null
}

/** `hfk_`, the id without its prefix, and 256 random bits in base32. */
const FORMAT = /^hfk_([0-9a-v]{26})_[a-z2-7]{52}$/

const insertKey = statement({
  name: 'access.insert_api_key',
  params: {
    merchant: 'text',
    id: 'text',
    name: 'text',
    hash: 'bytea',
    scopes: 'text[]',
    by: 'text',
  },
  text: `
    insert into access.api_key (merchant_id, id, name, key_sha256, scopes, created_by)
    values ($merchant, $id, $name, $hash, $scopes, $by)`,
})

const findKey = statement({
  name: 'access.find_api_key',
  params: { merchant: 'text', id: 'text' },
  row: { key_sha256: 'bytea', scopes: 'text[]' },
  text: `
    select key_sha256, scopes from access.api_key
     where merchant_id = $merchant and id = $id and revoked_at is null`,
})

const listKeys = statement({
  name: 'access.list_api_keys',
  params: { merchant: 'text', after: 'text', limit: 'int4' },
  row: {
    id: 'text',
    name: 'text',
    scopes: 'text[]',
    created_by: 'text',
    created_at: 'timestamptz',
    revoked_at: 'timestamptz?',
  },
  text: `
    select id, name, scopes, created_by, created_at, revoked_at from access.api_key
     where merchant_id = $merchant and id > $after
     order by id limit $limit`,
})

const revokeKey = statement({
  name: 'access.revoke_api_key',
  params: { merchant: 'text', id: 'text' },
  row: { name: 'text' },
  text: `
    update access.api_key set revoked_at = now()
     where merchant_id = $merchant and id = $id and revoked_at is null
    returning name`,
})

/**
 * Makes an API key. The key itself is in this answer and nowhere else: the table has its SHA-256.
 * Refuses `forbidden` where the maker lacks a scope that the key would have.
 */
export async function createApiKey(
  tx: Transaction,
  merchant: string,
  wanted: { readonly name: string; readonly scopes: readonly Scope[]; readonly maker: Caller },
): Promise<Outcome<{ readonly id: string; readonly key: string }>> {
  const beyond = wanted.scopes.filter((scope) => !wanted.maker.scopes.has(scope))
  if (beyond.length > 0) {
    return refuse('forbidden', `You cannot give what you do not have: ${beyond.join(', ')}.`)
  }
  const id = newId('key')
  const key = `hfk_${id.slice('key_'.length)}_${base32(randomBytes(32))}`
  const { name, maker } = wanted
  const scopes = [...new Set(wanted.scopes)]
  await change(tx, insertKey, { merchant, id, name, hash: sha256(key), scopes, by: maker.actor })
  await appendAudit(tx, merchant, {
    actor: maker.actor,
    action: 'access.api_key_created',
    subjectId: id,
    after: { name, scopes },
  })
  return accept({ id, key })
}

/** The caller behind a key, or undefined where it is malformed, unknown or revoked. */
export async function verifyApiKey(
  database: Database,
  merchant: string,
  key: string,
): Promise<Caller | undefined> {
  const part = FORMAT.exec(key)?.[1]
  if (part === undefined) return undefined
  const id = `key_${part}`
  const [row] = await read(database, findKey, { merchant, id })
  if (!row || !bytesEqual(row.key_sha256, sha256(key))) return undefined
  return { actor: `key:${id}`, scopes: scopesOf(row.scopes) }
}

/** Keys in the order they were made, revoked ones too; at most `limit` after the id `after`. */
export async function listApiKeys(
  database: Database,
  merchant: string,
  page: { readonly after: string; readonly limit: number },
): Promise<readonly ApiKey[]> {
  const rows = await read(database, listKeys, { merchant, ...page })
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    scopes: row.scopes,
    createdBy: row.created_by,
    createdAt: row.created_at,
    revokedAt: row.revoked_at,
  }))
}

/** Revokes a key for ever; `api_key_unknown` where there is none, or it was revoked before. */
export async function revokeApiKey(
  tx: Transaction,
  merchant: string,
  revoked: { readonly id: string; readonly actor: string },
): Promise<Outcome<{ readonly id: string }>> {
  const row = await maybe(tx, revokeKey, { merchant, id: revoked.id })
  if (!row) return refuse('api_key_unknown', 'No live API key has that id.')
  await appendAudit(tx, merchant, {
    actor: revoked.actor,
    action: 'access.api_key_revoked',
    subjectId: revoked.id,
    before: { name: row.name },
  })
  return accept({ id: revoked.id })
}

import { maybe, read, withTransaction } from '../database/database.ts'
import type { Database } from '../database/database.ts'
import { statement } from '../database/statement.ts'
import type { Log } from '../context.ts'
import { appendAudit } from '../records/append-audit.ts'
import { openSecret, sealSecret } from '../webhooks/seal-secret.ts'
import { placeText } from './secret-ring.ts'

const PAGE = 500

const selectEarlier = statement({
  name: 'platform.select_secrets_of_earlier_builds',
  params: { merchant: 'text', owner: 'text', number: 'int4', limit: 'int4' },
  row: { merchant: 'text', owner: 'text', number: 'int4', sealed: 'bytea' },
  text: `
    select merchant_id as merchant, owner, number, sealed from platform.secret
     where substring(sealed from 1 for 4) <> '\\x68667301'::bytea
       and (merchant_id, owner, number) > ($merchant, $owner, $number)
     order by merchant_id, owner, number
     limit $limit`,
})

const reseal = statement({
  name: 'platform.reseal_secret',
  params: { merchant: 'text', owner: 'text', number: 'int4', before: 'bytea', after: 'bytea' },
  row: { done: 'bool' },
  text: `select platform.reseal_secret($merchant, $owner, $number, $before, $after) as done`,
})

/**
 * Seals the secrets of earlier builds anew, in the form that names its key. Each is exchanged for the very
 * bytes that were read, so that a crash leaves old and new rows which both open, and several processes at
 * once do each once. One that does not open stays, and the log names its row. Resolves to how many it did.
 */
export async function resealSecrets(
  database: Database,
  masterKey: Uint8Array,
  { merchant, log }: { readonly merchant: string; readonly log: Log },
): Promise<number> {
  let after = { merchant: '', owner: '', number: 0 }
  let done = 0
  for (;;) {
    const rows = await read(database, selectEarlier, { ...after, limit: PAGE })
    const last = rows.at(-1)
    if (!last) break
    for (const row of rows) {
      const sealed = sealedAnew(masterKey, row)
      if (!sealed) {
        const place = { owner: row.owner, number: row.number }
        log.error(place, 'a stored secret opens with no key of this process and was left as it is')
        continue
      }
      const { merchant: of, owner, number, sealed: before } = row
      const place = { merchant: of, owner, number, before, after: sealed }
      const answer = await withTransaction(database, (tx) => maybe(tx, reseal, place))
      if (answer?.done) done += 1
    }
    after = { merchant: last.merchant, owner: last.owner, number: last.number }
  }
  if (done > 0) {
    const entry = { actor: 'service:start', action: 'secret.reseal', subjectId: 'platform.secret' }
    await withTransaction(database, (tx) =>
      appendAudit(tx, merchant, { ...entry, after: { secrets: done } }),
    )
  }
  return done
}

function sealedAnew(
  masterKey: Uint8Array,
  row: { merchant: string; owner: string; number: number; sealed: Buffer },
): Buffer | undefined {
  const place = placeText(row)
  try {
    return sealSecret(masterKey, place, openSecret(masterKey, place, row.sealed))
  } catch {
    return undefined
  }
}

import { many, read, statement } from '#platform/index.ts'
import type { Context, Transaction } from '#platform/index.ts'
import { openSecret } from './seal-secret.ts'

/** `dispatch` signs what we send, `event` verifies what the partner sends. */
export type SecretDirection = 'dispatch' | 'event'

const selectLive = statement({
  name: 'partners.select_live_secrets',
  params: { merchant: 'text', partner: 'text', direction: 'text' },
  row: { number: 'int4', sealed: 'bytea' },
  text: `
    select number, sealed from partners.secret
     where merchant_id = $merchant and partner_id = $partner and direction = $direction
       and retired_at is null
     order by number desc
     limit 10`,
})

/** Reads a partner's live secrets, newest first; empty for an unknown partner. */
export type PartnerSecrets = {
  readonly live: (partner: string, direction: SecretDirection) => Promise<readonly string[]>
}

const CACHE_MS = 10_000
const CACHED_MAX = 1_000

/** A reader that keeps at most 1,000 answers for 10 s each: a rotation is seen within that time. */
export function partnerSecrets(context: Context, masterKey: Uint8Array): PartnerSecrets {
  const cache = new Map<string, { readAtMs: number; secrets: readonly string[] }>()
  return {
    async live(partner, direction) {
      const name = `${partner}|${direction}`
      const nowMs = context.clock.monotonicMs()
      const kept = cache.get(name)
      if (kept && nowMs - kept.readAtMs < CACHE_MS) return kept.secrets
      const { merchant } = context
      const rows = await read(context.database, selectLive, { merchant, partner, direction })
      const secrets = rows.map((row) =>
        openSecret(masterKey, { merchant, partner, direction, number: row.number }, row.sealed),
      )
      if (cache.size >= CACHED_MAX) cache.clear()
      // An unknown partner is not kept: names from outside must not push real ones out.
      if (secrets.length > 0) cache.set(name, { readAtMs: nowMs, secrets })
      return secrets
    },
  }
}

/** The live secrets inside a transaction, newest first. */
export async function liveSecretsIn(
  tx: Transaction,
  masterKey: Uint8Array,
  place: { merchant: string; partner: string; direction: SecretDirection },
): Promise<readonly string[]> {
  const rows = await many(tx, selectLive, place)
  return rows.map((row) => openSecret(masterKey, { ...place, number: row.number }, row.sealed))
}

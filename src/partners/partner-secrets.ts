import { liveSecrets, liveSecretsIn, secretStates } from '#platform/secrets/index.ts'
import type { LiveSecret, SecretState } from '#platform/secrets/index.ts'
import type { Context, Transaction } from '#platform/index.ts'

/** `dispatch` signs what we send, `event` verifies what the partner sends. */
export type SecretDirection = 'dispatch' | 'event'

/** One of a partner's two rings of secrets. */
export type PartnerRing = {
  readonly merchant: string
  readonly partner: string
  readonly direction: SecretDirection
}

/** A ring as the platform names its owner. */
export function ringOf({ merchant, partner, direction }: PartnerRing) {
  return { merchant, owner: `${partner}|${direction}` }
}

/** Reads a partner's live secrets, newest first; empty for an unknown partner. */
export type PartnerSecrets = {
  readonly live: (partner: string, direction: SecretDirection) => Promise<readonly string[]>
  /**
   * The same with their numbers. `isFresh` reads again what is in memory, once for all who ask meanwhile:
   * for a signature that the kept ones do not explain.
   */
  readonly numbered: (
    partner: string,
    direction: SecretDirection,
    options?: { readonly isFresh: boolean },
  ) => Promise<readonly LiveSecret[]>
}

const CACHE_MS = 1_000
const CACHED_MAX = 1_000

/** A reader that keeps at most 1,000 answers for 1 s each: a rotation is seen within that time. */
export function partnerSecrets(context: Context, masterKey: Uint8Array): PartnerSecrets {
  const cache = new Map<string, { readAtMs: number; secrets: readonly LiveSecret[] }>()
  const underWay = new Map<string, Promise<readonly LiveSecret[]>>()
  const { merchant, database, clock } = context

  const readAgain = async (ring: PartnerRing, name: string): Promise<readonly LiveSecret[]> => {
    const readAtMs = clock.monotonicMs()
    const secrets = await liveSecrets(database, masterKey, ringOf(ring))
    if (cache.size >= CACHED_MAX) cache.clear()
    // An unknown partner is not kept: names from outside must not push real ones out.
    if (secrets.length > 0) cache.set(name, { readAtMs, secrets })
    return secrets
  }
  const numbered: PartnerSecrets['numbered'] = async (partner, direction, options) => {
    const name = `${partner}|${direction}`
    const kept = cache.get(name)
    const isKept = kept !== undefined && clock.monotonicMs() - kept.readAtMs < CACHE_MS
    if (isKept && options?.isFresh !== true) return kept.secrets
    const begun = underWay.get(name)
    if (begun) return begun
    const reading = readAgain({ merchant, partner, direction }, name)
    underWay.set(name, reading)
    return reading.finally(() => underWay.delete(name))
  }
  return {
    numbered,
    live: async (partner, direction) =>
      (await numbered(partner, direction)).map((one) => one.secret),
  }
}

/** The live secrets inside a transaction, newest first. */
export async function liveSecretsOf(
  tx: Transaction,
  masterKey: Uint8Array,
  ring: PartnerRing,
): Promise<readonly string[]> {
  return (await liveSecretsIn(tx, masterKey, ringOf(ring))).map((one) => one.secret)
}

/** What is known of every secret of a ring, newest first, but the secrets. */
export async function partnerSecretStates(
  { database, merchant }: Context,
  partner: string,
  direction: SecretDirection,
): Promise<readonly SecretState[]> {
  return secretStates(database, ringOf({ merchant, partner, direction }))
}

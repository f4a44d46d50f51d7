import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { read, statement } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { listPartners, partnerSecrets } from '#partners/index.ts'

/** Who registers the sample partners, in the audit table. */
export const SAMPLE_ACTOR = 'service:sample'

const selectRegistered = statement({
  name: 'roles.select_sample_partners',
  params: { merchant: 'text', actor: 'text' },
  row: { id: 'text' },
  text: `
    select distinct subject_id as id from platform.audit
     where merchant_id = $merchant and action = 'partner.register' and actor = $actor`,
})

/**
 * The ports under which sample partners are registered, by id. A partner that a person registered
 * under one of their ids is not the sample's to touch: refuses `partner_exists`.
 */
export async function registeredPorts(
  { database, merchant }: Context,
  ids: readonly string[],
): Promise<Outcome<ReadonlyMap<string, number>>> {
  const partners = await listPartners(database, merchant)
  const ours = await read(database, selectRegistered, { merchant, actor: SAMPLE_ACTOR })
  const ports = new Map<string, number>()
  for (const { id, url } of partners.filter((one) => ids.includes(one.id))) {
    if (!ours.some((one) => one.id === id)) {
      return refuse(
        'partner_exists',
        `Partner ${id} is yours, and the sample shop has one of that id: start with --no-demo.`,
      )
    }
    ports.set(id, Number(new URL(url).port))
  }
  return accept(ports)
}

/**
 * Tells a simulated partner the secrets that are live here, as a person tells a real partner after a
 * rotation: what it was started with may have ended since. Resolves to false if it did not take them.
 */
export async function tellSecrets(
  context: Context,
  masterKey: Uint8Array,
  partner: { readonly id: string; readonly url: string },
): Promise<boolean> {
  const secrets = partnerSecrets(context, masterKey)
  const [dispatch, event] = await Promise.all([
    secrets.live(partner.id, 'dispatch'),
    secrets.live(partner.id, 'event'),
  ])
  const answer = await fetch(`${partner.url}/secrets`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ dispatch, event }),
    signal: AbortSignal.timeout(5_000),
  }).catch(() => undefined)
  await answer?.body?.cancel()
  return answer?.ok ?? false
}

import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import {
  appendAudit,
  appendEvents,
  change,
  maybe,
  statement,
  withTransaction,
} from '#platform/index.ts'
import type { Context, Transaction } from '#platform/index.ts'
import { networksFor } from '#platform/outbound/index.ts'
import { addSecret } from '#platform/secrets/index.ts'
import { isWebhookSecret, newWebhookSecret } from '#platform/webhooks/index.ts'
import { checkNetworks, checkPartnerUrl } from './partner-url.ts'
import { partnerOf, selectPartner } from './partner.ts'
import type { Partner } from './partner.ts'
import { liveSecretsOf, ringOf } from './partner-secrets.ts'
import type { SecretDirection } from './partner-secrets.ts'

/** A partner to register. A secret that is not given is made: `whsec_` and 32 random bytes. */
export type NewPartner = {
  readonly id: string
  readonly name?: string
  readonly url: string
  /** `loc-<id>` where absent; the caller creates the inventory location. */
  readonly locationId?: string
  /** `true` allows the network of its address; a list, these networks (CIDR) and no others. */
  readonly allowPrivate?: boolean | readonly string[]
  readonly concurrencyMax?: number
  readonly secrets?: { readonly dispatch?: string; readonly event?: string }
}

/** The registered partner; `newSecrets` are shown once, at the registration that made them. */
export type RegisteredPartner = {
  readonly partner: Partner
  readonly newSecrets?: { readonly dispatch: string; readonly event: string }
}

const insertPartner = statement({
  name: 'partners.insert_partner',
  params: {
    merchant: 'text',
    id: 'text',
    name: 'text',
    url: 'text',
    location: 'text',
    concurrency: 'int4',
    private: 'bool',
    networks: 'text[]',
  },
  text: `
    insert into partners.partner
      (merchant_id, id, name, url, location_id, concurrency_max, allow_private,
       allowed_networks)
    values ($merchant, $id, $name, $url, $location, $concurrency, $private, $networks)
    on conflict do nothing`,
})

/**
 * Registers a partner with its two secrets. The same id with the same address is the same partner;
 * with another address, location or secret it is refused (`partner_exists`). Input that breaks the
 * address policy is `body_invalid`.
 */
export async function registerPartner(
  context: Context,
  masterKey: Uint8Array,
  input: NewPartner & { readonly actor: string },
): Promise<Outcome<RegisteredPartner>> {
  const networks = wantedNetworks(input)
  if (!networks.ok) return networks
  const url = checkPartnerUrl(input.url, networks.value)
  if (!url.ok) return url
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(input.id)) {
    return refuse('body_invalid', 'A partner id is a-z, 0-9 and -, at most 32.', { field: 'id' })
  }
  for (const secret of Object.values(input.secrets ?? {})) {
    if (!isWebhookSecret(secret)) {
      return refuse('body_invalid', 'A secret is whsec_ and base64 of 24 to 64 bytes.', {
        field: 'secret',
      })
    }
  }
  return withTransaction(context.database, (tx) =>
    insertOrCompare(tx, context.merchant, masterKey, {
      ...input,
      url: url.value,
      networks: networks.value,
    }),
  )
}

function wantedNetworks(input: NewPartner): Outcome<readonly string[]> {
  const { allowPrivate = false, url } = input
  if (typeof allowPrivate !== 'boolean') return checkNetworks(allowPrivate)
  const host = URL.canParse(url) ? new URL(url).hostname : ''
  return allowPrivate ? checkNetworks(networksFor(host)) : accept([])
}

async function insertOrCompare(
  tx: Transaction,
  merchant: string,
  masterKey: Uint8Array,
  input: NewPartner & { readonly actor: string; readonly networks: readonly string[] },
): Promise<Outcome<RegisteredPartner>> {
  const location = input.locationId ?? `loc-${input.id}`
  const inserted = await change(tx, insertPartner, {
    merchant,
    id: input.id,
    name: input.name ?? input.id,
    url: input.url,
    location,
    concurrency: input.concurrencyMax ?? 4,
    private: input.networks.length > 0,
    networks: input.networks,
  })
  const row = await maybe(tx, selectPartner, { merchant, id: input.id })
  if (!row) return refuse('partner_unknown', 'The partner is not there.')
  const partner = partnerOf(row)
  if (inserted === 0) {
    const isSame =
      partner.url === input.url &&
      partner.locationId === location &&
      (await hasSecrets(tx, merchant, masterKey, input))
    return isSame
      ? accept({ partner })
      : refuse('partner_exists', `Partner ${input.id} exists with another address or secret.`)
  }
  const newSecrets = {
    dispatch: input.secrets?.dispatch ?? newWebhookSecret(),
    event: input.secrets?.event ?? newWebhookSecret(),
  }
  await storeSecrets(tx, merchant, masterKey, input.id, newSecrets)
  await appendEvents(tx, merchant, [{ subjectId: input.id, kind: 'partner.registered' }])
  await appendAudit(tx, merchant, {
    actor: input.actor,
    action: 'partner.register',
    subjectId: input.id,
    after: { url: partner.url, location_id: location, allowed_networks: partner.allowPrivate },
  })
  return accept({ partner, newSecrets })
}

async function storeSecrets(
  tx: Transaction,
  merchant: string,
  masterKey: Uint8Array,
  partner: string,
  secrets: Record<SecretDirection, string>,
): Promise<void> {
  for (const direction of ['dispatch', 'event'] as const) {
    const ring = ringOf({ merchant, partner, direction })
    await addSecret(tx, masterKey, { ...ring, number: 1, secret: secrets[direction] })
  }
}

async function hasSecrets(
  tx: Transaction,
  merchant: string,
  masterKey: Uint8Array,
  input: NewPartner,
): Promise<boolean> {
  for (const direction of ['dispatch', 'event'] as const) {
    const given = input.secrets?.[direction]
    if (given === undefined) continue
    const place = { merchant, partner: input.id, direction }
    if (!(await liveSecretsOf(tx, masterKey, place)).includes(given)) return false
  }
  return true
}

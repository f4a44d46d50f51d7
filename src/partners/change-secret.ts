import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { appendAudit, appendEvents, maybe, statement, transact } from '#platform/index.ts'
import type { Context, Transaction } from '#platform/index.ts'
import { retireSecret, rotateSecret } from '#platform/secrets/index.ts'
import type { RotatedSecret } from '#platform/secrets/index.ts'
import { ringOf } from './partner-secrets.ts'
import type { SecretDirection } from './partner-secrets.ts'

const lockPartner = statement({
  name: 'partners.lock_for_rotation',
  params: { merchant: 'text', id: 'text' },
  row: { id: 'text' },
  text: `
    select id from partners.partner
     where merchant_id = $merchant and id = $id
       for no key update`,
})

/** Which ring of which partner somebody changes, and why. */
export type SecretChange = {
  readonly partner: string
  readonly direction: SecretDirection
  readonly actor: string
  readonly reason: string
  /** The secret leaked: what is old ends now, in use or not. */
  readonly isCompromised: boolean
}

/**
 * Makes a new secret of a partner, told once. Both are live for `overlapS` seconds (a day where absent),
 * or the new one alone where the old one leaked. Refused: `partner_unknown`, `secret_overlap`.
 */
export async function rotatePartnerSecret(
  context: Context,
  masterKey: Uint8Array,
  input: SecretChange & { readonly overlapS?: number | undefined },
): Promise<Outcome<RotatedSecret>> {
  const { merchant, database } = context
  const { partner, direction, actor, isCompromised } = input
  const overlapS = isCompromised ? 0 : input.overlapS
  return transact(database, async (tx) => {
    if (!(await maybe(tx, lockPartner, { merchant, id: partner }))) return unknown(partner)
    const ring = ringOf({ merchant, partner, direction })
    const rotated = await rotateSecret(tx, masterKey, { ...ring, actor, overlapS })
    if (!rotated.ok) return rotated
    const { number } = rotated.value
    await tell(tx, merchant, 'rotated', input, { number, overlap_s: rotated.value.overlapS })
    return rotated
  })
}

/**
 * Ends one live secret of a partner now. Refused: `partner_unknown`, `secret_unknown`, `secret_last`, and
 * `secret_in_use` where the partner signed with it within the hour and it did not leak.
 */
export async function retirePartnerSecret(
  context: Context,
  input: SecretChange & { readonly number: number },
): Promise<Outcome<null>> {
  const { merchant, database } = context
  const { partner, direction, actor, number, isCompromised: isForced } = input
  return transact(database, async (tx) => {
    if (!(await maybe(tx, lockPartner, { merchant, id: partner }))) return unknown(partner)
    const ring = ringOf({ merchant, partner, direction })
    const retired = await retireSecret(tx, { ...ring, number, actor, isForced })
    if (!retired.ok) return retired
    await tell(tx, merchant, 'retired', input, { number })
    return accept(null)
  })
}

async function tell(
  tx: Transaction,
  merchant: string,
  act: 'rotated' | 'retired',
  change: SecretChange,
  facts: Readonly<Record<string, number>>,
): Promise<void> {
  const { partner, direction, actor, reason, isCompromised } = change
  const data = { direction, ...facts, is_compromised: isCompromised }
  await appendEvents(tx, merchant, [{ subjectId: partner, kind: `partner.secret_${act}`, data }])
  await appendAudit(tx, merchant, {
    actor,
    action: `partner.secret_${act}`,
    subjectId: partner,
    reason,
    after: data,
  })
}

const unknown = (partner: string) => refuse('partner_unknown', `No partner ${partner}.`)

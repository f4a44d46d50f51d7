import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { appendAudit, appendEvents, maybe, statement, withTransaction } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import type { PartnerGrade } from './partner.ts'
import { checkNetworks } from './partner-url.ts'

const pause = statement({
  name: 'partners.pause_partner',
  params: { merchant: 'text', id: 'text', reason: 'text' },
  row: { id: 'text' },
  text: `
    update partners.partner
       set paused_at = coalesce(paused_at, now()), paused_reason = $reason
     where merchant_id = $merchant and id = $id
    returning id`,
})

const resume = statement({
  name: 'partners.resume_partner',
  params: { merchant: 'text', id: 'text' },
  row: { id: 'text' },
  text: `
    update partners.partner set paused_at = null, paused_reason = null, resumed_at = now()
     where merchant_id = $merchant and id = $id
    returning id`,
})

const grade = statement({
  name: 'partners.grade_partner',
  params: { merchant: 'text', id: 'text', grade: 'text' },
  row: { id: 'text' },
  text: `
    update partners.partner set grade = $grade
     where merchant_id = $merchant and id = $id
    returning id`,
})

const allow = statement({
  name: 'partners.allow_networks',
  params: { merchant: 'text', id: 'text', networks: 'text[]', private: 'bool' },
  row: { id: 'text' },
  text: `
    update partners.partner set allowed_networks = $networks, allow_private = $private
     where merchant_id = $merchant and id = $id
    returning id`,
})

const deliver = statement({
  name: 'partners.set_delivery',
  params: { merchant: 'text', id: 'text', delivery: 'text' },
  row: { id: 'text' },
  text: `
    update partners.partner set delivery = $delivery
     where merchant_id = $merchant and id = $id
    returning id`,
})

/** Who changes which partner, and why. */
export type PartnerChange = {
  readonly partner: string
  readonly actor: string
  readonly reason: string
}

/** Stops sending to a partner; what is on its way is finished. Refused: `partner_unknown`. */
export async function pausePartner(context: Context, input: PartnerChange): Promise<Outcome<null>> {
  return changed(context, input, 'pause', (tx) =>
    maybe(tx, pause, { merchant: context.merchant, id: input.partner, reason: input.reason }),
  )
}

/** Sends to a paused partner again, once it was asked what it holds. Refused: `partner_unknown`. */
export async function resumePartner(
  context: Context,
  input: PartnerChange,
): Promise<Outcome<null>> {
  return changed(context, input, 'resume', (tx) =>
    maybe(tx, resume, { merchant: context.merchant, id: input.partner }),
  )
}

/** Records the grade that a conformance probe measured. Refused: `partner_unknown`. */
export async function gradePartner(
  context: Context,
  input: PartnerChange & { readonly grade: PartnerGrade },
): Promise<Outcome<null>> {
  return changed(context, input, 'grade', (tx) =>
    maybe(tx, grade, { merchant: context.merchant, id: input.partner, grade: input.grade }),
  )
}

/**
 * Says in which private networks (CIDR) a partner may be, in place of those before; none for a public
 * one. Refused: `partner_unknown`, and `body_invalid` for a network that cannot be allowed.
 */
export async function allowNetworks(
  context: Context,
  input: PartnerChange & { readonly networks: readonly string[] },
): Promise<Outcome<null>> {
  const checked = checkNetworks(input.networks)
  if (!checked.ok) return checked
  const networks = checked.value
  return changed(context, { ...input, networks }, 'allow', (tx) =>
    maybe(tx, allow, {
      merchant: context.merchant,
      id: input.partner,
      networks,
      private: networks.length > 0,
    }),
  )
}

/**
 * Says whether dispatches are sent to a partner or announced and fetched by it. What is under way keeps its
 * key and bytes either way. Refused: `partner_unknown`.
 */
export async function setDelivery(
  context: Context,
  input: PartnerChange & { readonly delivery: 'push' | 'pull' },
): Promise<Outcome<null>> {
  const { partner: id, delivery } = input
  return changed(context, input, 'deliver', (tx) =>
    maybe(tx, deliver, { merchant: context.merchant, id, delivery }),
  )
}

const PAST = {
  pause: 'partner.paused',
  resume: 'partner.resumed',
  grade: 'partner.graded',
  allow: 'partner.networks_allowed',
  deliver: 'partner.delivery_changed',
} as const

async function changed(
  context: Context,
  input: PartnerChange & {
    readonly grade?: PartnerGrade
    readonly networks?: readonly string[]
    readonly delivery?: string
  },
  act: keyof typeof PAST,
  update: (tx: Parameters<typeof appendEvents>[0]) => Promise<{ readonly id: string } | undefined>,
): Promise<Outcome<null>> {
  return withTransaction(context.database, async (tx) => {
    if (!(await update(tx))) return refuse('partner_unknown', `No partner ${input.partner}.`)
    const data = {
      reason: input.reason,
      ...(input.grade ? { grade: input.grade } : {}),
      ...(input.networks ? { networks: input.networks } : {}),
      ...(input.delivery ? { delivery: input.delivery } : {}),
    }
    await appendEvents(tx, context.merchant, [{ subjectId: input.partner, kind: PAST[act], data }])
    await appendAudit(tx, context.merchant, {
      actor: input.actor,
      action: `partner.${act}`,
      subjectId: input.partner,
      reason: input.reason,
      after: data,
    })
    return accept(null)
  })
}

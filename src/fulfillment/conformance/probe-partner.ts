import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { findPartner, keptBatches, recordConformance } from '#partners/index.ts'
import type { PartnerSecrets, ProbeCause, RecordedGrade } from '#partners/index.ts'
import type { Context } from '#platform/index.ts'
import type { Outbound } from '#platform/outbound/index.ts'
import { measurePartner } from './measure-partner.ts'
import type { Measurement } from './measure-partner.ts'

/** What a probe of a registered partner needs. */
export type ProbeDeps = {
  readonly context: Context
  readonly secrets: PartnerSecrets
  readonly outbound: Outbound
  readonly lookupWaitMaxMs?: number
}

/** What was measured, and what it did to the grade. */
export type ProbeReport = Measurement & RecordedGrade & { readonly partner: string }

/**
 * Probes a registered partner, keeps the evidence and moves its grade; a fall is logged loudly.
 * Refused: `partner_unknown`.
 */
export async function probePartner(
  deps: ProbeDeps,
  asked: { readonly partner: string; readonly cause: ProbeCause; readonly actor: string },
): Promise<Outcome<ProbeReport>> {
  const { context, outbound } = deps
  const partner = await findPartner(context.database, context.merchant, asked.partner)
  if (!partner) return refuse('partner_unknown', `No partner ${asked.partner}.`)
  const secrets = await deps.secrets.live(partner.id, 'dispatch')
  const measured = await measurePartner(
    { outbound, clock: context.clock },
    {
      identity: { merchant: context.merchant, partner: partner.id },
      target: { partner, secrets },
      kept: await keptBatches(context, partner.id),
      ...(deps.lookupWaitMaxMs === undefined ? {} : { lookupWaitMaxMs: deps.lookupWaitMaxMs }),
    },
  )
  const recorded = await recordConformance(context, { ...asked, measured })
  if (!recorded.ok) return recorded
  const report = { ...measured, ...recorded.value, partner: partner.id }
  tell(context, report)
  return accept(report)
}

function tell({ log }: Context, report: ProbeReport): void {
  const failed = report.checks.filter((one) => one.outcome === 'failed').map((one) => one.name)
  const { partner, before, after, grade, isComplete } = report
  const fields = { partner_id: partner, before, after, measured: grade, failed }
  if (after > before) log.error(fields, `partner ${partner} fell from grade ${before} to ${after}`)
  else if (!isComplete) log.error(fields, 'a probe had no answer to some of its checks')
  else log.info(fields, `partner ${partner} is of grade ${after}`)
}

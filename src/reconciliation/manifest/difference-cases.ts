import type { NewCase } from '#cases/index.ts'
import type { Partner } from '#partners/index.ts'
import { many } from '#platform/index.ts'
import type { Transaction } from '#platform/index.ts'
import type { Adopted } from './adopt-phantoms.ts'
import type { Difference } from './compare-manifest.ts'
import { selectWorth } from './manifest-statements.ts'
import type { ManifestReading } from './read-manifest.ts'

/**
 * The subject of a case where a partner shows less than it has shown, or than our books have as
 * accepted last; undefined where it does not.
 */
export function regressionSubject(
  partner: string,
  known: number,
  reading: ManifestReading,
): string | undefined {
  const lost = reading.differences.filter((one) => one.kind === 'lost')
  const lastLost = lost.reduce((most, one) => Math.max(most, one.sequence), 0)
  const expected = Math.max(known, lastLost)
  return reading.highest < expected ? `${partner}@${expected}` : undefined
}

/** The case of a partner that lost part of its memory. */
export function regressionCase(partner: string, known: number, reading: ManifestReading): NewCase {
  const { lost } = reading.counts
  return {
    kind: 'partner_regressed',
    subjectId: regressionSubject(partner, known, reading) ?? partner,
    partnerId: partner,
    title: `${partner} shows dispatches up to ${reading.highest} and has confirmed more: ${lost} of ours are missing. Nothing is sent to it.`,
    evidence: {
      known,
      shown: reading.highest,
      lost,
      first: reading.differences
        .filter((one) => one.kind === 'lost')
        .slice(0, 100)
        .map((one) => one.subject),
    },
    dueHours: 1,
  }
}

const TITLES: Readonly<Record<Difference['kind'], string>> = {
  lost: 'has no record of a dispatch that it accepted by our books',
  phantom: 'has a dispatch that our books do not have',
  content: 'has other content under a key of ours',
  recalled: 'and our books differ on whether a dispatch was recalled',
  refused: 'has accepted a dispatch that is not accepted in our books',
  shipment: 'and our books differ on whether a dispatch has shipped',
}

/** A case for each difference, with the worth of its orders where we know them. */
export async function casesOf(
  tx: Transaction,
  merchant: string,
  partner: Partner,
  differences: readonly Difference[],
  { held }: Adopted,
): Promise<readonly NewCase[]> {
  if (differences.length === 0) return []
  const keys = differences.map((one) => one.key)
  const worth = new Map(
    (await many(tx, selectWorth, { merchant, keys })).map((row) => [row.key, row]),
  )
  return differences.map((one): NewCase => {
    const money = worth.get(one.key)
    const holding = held.get(one.key)
    const note = holding
      ? { held_orders: [...holding.orders], unknown_orders: holding.unknown }
      : {}
    return {
      kind: 'discrepancy',
      subjectId: one.subject,
      partnerId: partner.id,
      title: `${partner.name} ${TITLES[one.kind]} (sequence ${one.sequence}).`,
      evidence: { kind: one.kind, key: one.key, ours: one.ours, theirs: one.theirs, ...note },
      dueHours: one.kind === 'shipment' ? 24 : 4,
      ...(money ? { money: { amount: money.amount, currency: money.currency } } : {}),
    }
  })
}

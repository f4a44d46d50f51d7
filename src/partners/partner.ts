import { statement } from '#platform/index.ts'

/** How far a partner can be trusted to deduplicate (HDP/1 §1.12); measured, D until then. */
export type PartnerGrade = 'A' | 'B' | 'C' | 'D'

/** A fulfillment partner: who takes our dispatches and holds the stock of one location. */
export type Partner = {
  readonly id: string
  readonly name: string
  /** The root of the partner's API, without a trailing slash. */
  readonly url: string
  readonly locationId: string
  readonly grade: PartnerGrade
  /** How long the partner keeps keys, in seconds; null for ever, or not measured. */
  readonly keyTtlS: number | null
  /** How long it may take until the partner has processed what it took, in seconds. */
  readonly processingDelayS: number
  /** How long its look-up was behind when it was probed; null where it was not. */
  readonly lookupLagMs: number | null
  readonly gradedAt: Date | null
  readonly concurrencyMax: number
  /** The private networks (CIDR) that it may be in; none for a partner on the public internet. */
  readonly allowPrivate: readonly string[]
  /** Whether its dispatches are sent to it, or announced and fetched by it. */
  readonly delivery: 'push' | 'pull'
  readonly pausedAt: Date | null
  readonly pausedReason: string | null
}

const row = {
  id: 'text',
  name: 'text',
  url: 'text',
  location_id: 'text',
  grade: 'text',
  key_ttl_s: 'int4?',
  processing_delay_s: 'int4',
  lookup_lag_ms: 'int4?',
  graded_at: 'timestamptz?',
  concurrency_max: 'int4',
  allowed_networks: 'text[]',
  delivery: 'text',
  paused_at: 'timestamptz?',
  paused_reason: 'text?',
} as const

/** Every partner of a merchant, by id. */
export const selectPartners = statement({
  name: 'partners.select_partners',
  params: { merchant: 'text' },
  row,
  text: `
    select id, name, url, location_id, grade, key_ttl_s, processing_delay_s, lookup_lag_ms, graded_at,
           concurrency_max, allowed_networks, delivery, paused_at, paused_reason
      from partners.partner
     where merchant_id = $merchant
     order by id`,
})

/** One partner. */
export const selectPartner = statement({
  name: 'partners.select_partner',
  params: { merchant: 'text', id: 'text' },
  row,
  text: `
    select id, name, url, location_id, grade, key_ttl_s, processing_delay_s, lookup_lag_ms, graded_at,
           concurrency_max, allowed_networks, delivery, paused_at, paused_reason
      from partners.partner
     where merchant_id = $merchant and id = $id`,
})

type PartnerRow = {
  readonly id: string
  readonly name: string
  readonly url: string
  readonly location_id: string
  readonly grade: string
  readonly key_ttl_s: number | null
  readonly processing_delay_s: number
  readonly lookup_lag_ms: number | null
  readonly graded_at: Date | null
  readonly concurrency_max: number
  readonly allowed_networks: readonly string[]
  readonly delivery: string
  readonly paused_at: Date | null
  readonly paused_reason: string | null
}

/** A partner from its row. */
export function partnerOf(one: PartnerRow): Partner {
  return {
    id: one.id,
    name: one.name,
    url: one.url,
    locationId: one.location_id,
    grade: gradeOf(one.grade),
    keyTtlS: one.key_ttl_s,
    processingDelayS: one.processing_delay_s,
    lookupLagMs: one.lookup_lag_ms,
    gradedAt: one.graded_at,
    concurrencyMax: one.concurrency_max,
    allowPrivate: one.allowed_networks,
    delivery: one.delivery === 'pull' ? 'pull' : 'push',
    pausedAt: one.paused_at,
    pausedReason: one.paused_reason,
  }
}

/** A grade from its row: one that we do not know is the careful one. */
export function gradeOf(text: string): PartnerGrade {
  return text === 'A' || text === 'B' || text === 'C' ? text : 'D'
}

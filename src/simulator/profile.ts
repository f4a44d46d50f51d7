import { z } from 'zod'

const GRADES = {
  A: {
    dedupe: true,
    key_ttl_ms: null,
    lookup: true,
    recall: true,
    tombstones: true,
    manifest: true,
    order_keys: true,
  },
  B: {
    dedupe: true,
    key_ttl_ms: 86_400_000,
    lookup: true,
    recall: true,
    tombstones: false,
    manifest: false,
    order_keys: true,
  },
  C: {
    dedupe: false,
    key_ttl_ms: null,
    lookup: true,
    recall: true,
    tombstones: false,
    manifest: true,
    order_keys: false,
  },
  D: {
    dedupe: false,
    key_ttl_ms: null,
    lookup: false,
    recall: false,
    tombstones: false,
    manifest: false,
    order_keys: false,
  },
} as const

const delay = z.int().min(0).max(3_600_000)

const given = z.strictObject({
  grade: z.enum(['A', 'B', 'C', 'D']),
  /** One key, one effect; without it every arrival is accepted anew. */
  dedupe: z.boolean().optional(),
  /** How long a key is remembered; null for ever. */
  key_ttl_ms: z.int().min(1).nullable().optional(),
  lookup: z.boolean().optional(),
  recall: z.boolean().optional(),
  tombstones: z.boolean().optional(),
  manifest: z.boolean().optional(),
  /** Whether one order under a second key is refused; many a 3PL knows keys and nothing else. */
  order_keys: z.boolean().optional(),
  /** Whether dispatches are sent to it, or announced and fetched by it. */
  delivery: z.enum(['push', 'pull']).default('push'),
  /** How long it takes until what was taken is an order at all. */
  processing_delay_ms: delay.default(0),
  /** How far the replica that look-ups read is behind. */
  lookup_lag_ms: delay.default(0),
})

/** A profile as it is given: a grade, and what differs from it. */
export const partnerProfile = given.transform((one) => ({ ...GRADES[one.grade], ...defined(one) }))

/** What one simulated partner can do (HDP/1 §1.12). Times are milliseconds. */
export type PartnerProfile = {
  readonly grade: 'A' | 'B' | 'C' | 'D'
  readonly dedupe: boolean
  readonly key_ttl_ms: number | null
  readonly lookup: boolean
  readonly recall: boolean
  readonly tombstones: boolean
  readonly manifest: boolean
  readonly order_keys: boolean
  readonly delivery: 'push' | 'pull'
  readonly processing_delay_ms: number
  readonly lookup_lag_ms: number
}

/** The best partner there is, and the default. */
export const GRADE_A: PartnerProfile = partnerProfile.parse({ grade: 'A' })

/** How long an acceptance cannot be seen by a look-up. */
export function hiddenForMs(profile: PartnerProfile): number {
  return profile.processing_delay_ms + profile.lookup_lag_ms
}

type Given = z.output<typeof given>
type Named = { [name in keyof Given]-?: Exclude<Given[name], undefined> }

// A field that was not given must not cover the one of the grade.
function defined(
  one: Given,
): Pick<Named, 'grade' | 'delivery' | 'processing_delay_ms' | 'lookup_lag_ms'> & Partial<Named> {
  const { grade, delivery, processing_delay_ms, lookup_lag_ms, ...rest } = one
  return {
    grade,
    delivery,
    processing_delay_ms,
    lookup_lag_ms,
    ...(rest.dedupe === undefined ? {} : { dedupe: rest.dedupe }),
    ...(rest.key_ttl_ms === undefined ? {} : { key_ttl_ms: rest.key_ttl_ms }),
    ...(rest.lookup === undefined ? {} : { lookup: rest.lookup }),
    ...(rest.recall === undefined ? {} : { recall: rest.recall }),
    ...(rest.tombstones === undefined ? {} : { tombstones: rest.tombstones }),
    ...(rest.manifest === undefined ? {} : { manifest: rest.manifest }),
    ...(rest.order_keys === undefined ? {} : { order_keys: rest.order_keys }),
  }
}

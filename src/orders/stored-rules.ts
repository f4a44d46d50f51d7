import { z } from 'zod'
import { INITIAL_PROMISE, WEEKDAYS } from './promise/promise.ts'
import type { PromisePolicy } from './promise/promise.ts'
import type { ReviewRules } from './review.ts'

/** Largest limit in minor units or pieces: what the lines of one order can add up to, and more. */
const LIMIT_MAX = 1_000_000_000_000_000

const limit = z.int().min(0).max(LIMIT_MAX)

/**
 * The review rules as they are stored. Strict: a member that is missing, and one that this build does not know
 * (a newer build wrote it), are both rules that nobody here can follow. Amounts in minor units.
 */
export const storedReviewRules: z.ZodType<ReviewRules> = z.strictObject({
  valueMinor: limit,
  lineQuantity: limit,
  guestValueMinor: limit,
  homeCountry: z.string().regex(/^[A-Z]{2}$/, 'ISO 3166-1 alpha-2'),
})

const version = z.int().min(1).max(2_147_483_647)

const ruleRow = z.strictObject({ version, rules: storedReviewRules })

const promiseRow = z.strictObject({
  version,
  handling_days: z.int().min(0).max(365),
  working_days: z
    .array(z.enum(WEEKDAYS))
    .min(1)
    .max(7)
    .refine((days) => new Set(days).size === days.length, 'a day stands twice'),
})

/**
 * The newest rule set and promise policy as the database holds them: each row as JSON text, without who wrote it,
 * when and why. Columns that a newer build added are in it. `promise` is null until the shop sets a policy.
 */
export type StoredRules = { readonly rules: string; readonly promise: string | null }

/** A stored row that this build cannot read: `rule_set:3`, and what is wrong with it. */
export type UnreadRow = { readonly subject: string; readonly detail: string }

/** What a build makes of stored rules. */
export type ReadRules = {
  /** `unread` if anything of rules or promise policy could not be read: then every order is held. */
  readonly rules: ReviewRules | 'unread'
  /** The policy that is built in where the stored one could not be read. */
  readonly promise: PromisePolicy
  readonly unread: readonly UnreadRow[]
}

/** Reads stored rules by the strict schemas. Never throws: what does not fit is `unread`. */
export function readRules(stored: StoredRules): ReadRules {
  const rules = readRow(ruleRow, 'rule_set', stored.rules)
  const policy =
    stored.promise === null ? undefined : readRow(promiseRow, 'promise_policy', stored.promise)
  const unread = [rules, policy].flatMap((one) => (one && !one.ok ? [one.unread] : []))
  return {
    rules: rules.ok && unread.length === 0 ? rules.value.rules : 'unread',
    promise: policy?.ok ? toPolicy(policy.value) : INITIAL_PROMISE,
    unread,
  }
}

/**
 * `readRules`, which parses again only when the text has changed: a process asks at every batch, and the rules
 * change a few times a year.
 */
export function rulesReader(): (stored: StoredRules) => ReadRules {
  let last: { readonly stored: StoredRules; readonly read: ReadRules } | undefined
  return (stored) => {
    if (last?.stored.rules !== stored.rules || last.stored.promise !== stored.promise)
      last = { stored, read: readRules(stored) }
    return last.read
  }
}

type Row<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly unread: UnreadRow }

const DETAIL_MAX = 300

function readRow<T>(schema: z.ZodType<T>, name: string, text: string): Row<T> {
  const raw: unknown = JSON.parse(text)
  const parsed = schema.safeParse(raw)
  if (parsed.success) return { ok: true, value: parsed.data }
  const number = version.safeParse(
    z.looseObject({ version: z.unknown() }).safeParse(raw).data?.version,
  )
  const detail = parsed.error.issues
    .map(({ path, message }) => `${path.join('.') || name}: ${message}`)
    .join('; ')
  return {
    ok: false,
    unread: { subject: `${name}:${number.data ?? '?'}`, detail: detail.slice(0, DETAIL_MAX) },
  }
}

function toPolicy(row: z.infer<typeof promiseRow>): PromisePolicy {
  return { version: row.version, handlingDays: row.handling_days, workingDays: row.working_days }
}

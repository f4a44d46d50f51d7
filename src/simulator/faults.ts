import { z } from 'zod'
import { seededRandom } from '#kernel/index.ts'
import type { Random } from '#kernel/index.ts'
import { json, problem } from './problem.ts'
import type { Answer } from './problem.ts'

const FAULTS = [
  'lose_request',
  'lose_answer',
  'delay_ms',
  'status',
  'reset',
  'truncate_answer',
  'wrong_echo',
  '500_after_commit',
  '429',
  'no_dedupe',
  'ghost',
] as const

const name = z.enum(FAULTS)

const rule = z.strictObject({
  match: z.strictObject({
    method: z.enum(['GET', 'POST']).optional(),
    /** The whole path, or its beginning where it ends in `*`. */
    path: z.string().startsWith('/').optional(),
    /** The n-th request that matches the rest, counted from one. */
    nth: z.int().min(1).optional(),
    key: z.string().optional(),
  }),
  fault: name,
  /** How often it strikes: once where `nth` is given, else for ever. */
  times: z.int().min(1).optional(),
  /** Milliseconds for delay_ms, ghost and the lose faults; a status for status and 500_after_commit. */
  value: z.int().min(0).max(3_600_000).optional(),
  /** Seconds, for 429 and status. */
  retry_after: z.int().min(0).max(86_400).optional(),
})

const statusInRange = rule.refine(
  (one) =>
    one.value === undefined ||
    (one.fault !== 'status' && one.fault !== '500_after_commit') ||
    (one.value >= 200 && one.value <= 599),
  { path: ['value'], message: 'must be an HTTP status from 200 to 599' },
)

const script = z.strictObject({
  faults: z.array(statusInRange).max(1_000).default([]),
  seed: z.int().min(0).default(1),
  rate: z.partialRecord(name, z.number().min(0).max(1)).default({}),
})

/** The faults that a partner can be told to have. */
export type FaultName = (typeof FAULTS)[number]

/** What strikes one request: at most one fault, and beside it whether keys are looked at. */
export type Strike = {
  readonly isDeduped: boolean
  readonly fault?: Exclude<FaultName, 'no_dedupe'>
  readonly value?: number | undefined
  readonly retryAfter?: number | undefined
}

/** What a rule may look at. */
export type Struck = {
  readonly method: string
  readonly path: string
  readonly key: string | undefined
}

/** The fault script of one partner: in memory, gone with a restart. */
export type FaultScript = {
  /** The answer to `GET /faults`: the script and how often each rule struck. */
  readonly show: () => Answer
  /** Replaces the script whole, or refuses it naming every wrong field. */
  readonly replace: (value: unknown) => Answer
  /** What strikes this request; counts it. */
  readonly draw: (request: Struck) => Strike
}

type Rule = { readonly rule: z.output<typeof rule>; seen: number; struck: number }

/** A partner without faults. */
export function faultScript(): FaultScript {
  let current = script.parse({})
  let rules: Rule[] = []
  let random: Random = seededRandom(current.seed)

  const show = (): Answer => json(200, { ...current, struck: rules.map((one) => one.struck) })

  return {
    show,
    replace(value) {
      const parsed = script.safeParse(Array.isArray(value) ? { faults: value } : value)
      if (!parsed.success) {
        const errors = parsed.error.issues.flatMap((issue) => nameFields(issue))
        return problem('faults_invalid', errors.map((one) => one.field).join(', '), { errors })
      }
      current = parsed.data
      rules = current.faults.map((one) => ({ rule: one, seen: 0, struck: 0 }))
      random = seededRandom(current.seed)
      return show()
    },
    draw(request) {
      const hits = rules.filter((one) => isStruck(one, request)).map((one) => one.rule)
      const drawn = FAULTS.filter((fault) => random() < (current.rate[fault] ?? 0))
      const isDeduped =
        !hits.some((one) => one.fault === 'no_dedupe') && !drawn.includes('no_dedupe')
      for (const one of hits) {
        const { fault, value, retry_after: retryAfter } = one
        if (fault !== 'no_dedupe') return { isDeduped, fault, value, retryAfter }
      }
      const fault = drawn.find((one) => one !== 'no_dedupe')
      return fault ? { isDeduped, fault } : { isDeduped }
    },
  }
}

// An unknown field is the issue of its parent in zod; the answer names the field itself.
function nameFields(issue: z.core.$ZodIssue): { field: string; message: string }[] {
  const names = issue.code === 'unrecognized_keys' ? issue.keys : ['']
  return names.map((last) => ({
    field: [...issue.path.map(String), last].filter(Boolean).join('.') || 'body',
    message: issue.message,
  }))
}

function isStruck(one: Rule, request: Struck): boolean {
  const { match, times } = one.rule
  if (match.method !== undefined && match.method !== request.method) return false
  if (match.path !== undefined && !isPath(match.path, request.path)) return false
  if (match.key !== undefined && match.key !== request.key) return false
  one.seen += 1
  const limit = times ?? (match.nth === undefined ? Number.POSITIVE_INFINITY : 1)
  if (one.seen < (match.nth ?? 1) || one.struck >= limit) return false
  one.struck += 1
  return true
}

function isPath(pattern: string, path: string): boolean {
  return pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : pattern === path
}

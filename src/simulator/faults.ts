import { z } from 'zod'
import { seededRandom } from '#kernel/index.ts'
import type { Random } from '#kernel/index.ts'
import { json, problem } from './problem.ts'
import type { Answer } from './problem.ts'

const REQUEST_FAULTS = [
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
  'stale_lookup',
  'partner_restore',
  'reject_orders',
  'poison',
  'short_ship',
  'double_ship',
  'ship_recalled',
] as const
const EVENT_FAULTS = ['lose_event', 'delay_event', 'repeat_event'] as const

const name = z.enum([...REQUEST_FAULTS, ...EVENT_FAULTS])

const rule = z.strictObject({
  match: z.strictObject({
    method: z.enum(['GET', 'POST']).optional(),
    /** The whole path, or its beginning where it ends in `*`. */
    path: z.string().startsWith('/').optional(),
    /** The n-th request that matches the rest, counted from one. */
    nth: z.int().min(1).optional(),
    key: z.string().optional(),
    /** The type of an event that the partner sends; for the faults of events alone. */
    event: z.enum(['dispatch.accepted', 'shipment.shipped']).optional(),
  }),
  fault: name,
  /** How often it strikes: once where `nth` is given, else for ever. */
  times: z.int().min(1).optional(),
  /** Milliseconds, a status, or a count: docs/reference/partner-protocol.md has the table. */
  value: z.int().min(0).max(3_600_000).optional(),
  /** Seconds, for 429 and status. */
  retry_after: z.int().min(0).max(86_400).optional(),
  /** For reject_orders. */
  code: z
    .string()
    .regex(/^[a-z0-9_]{1,64}$/)
    .optional(),
  retriable: z.boolean().optional(),
})

const STATUS_FAULTS: ReadonlySet<string> = new Set(['status', '500_after_commit', 'poison'])

const statusInRange = rule.refine(
  (one) =>
    one.value === undefined ||
    !STATUS_FAULTS.has(one.fault) ||
    (one.value >= 200 && one.value <= 599),
  { path: ['value'], message: 'must be an HTTP status from 200 to 599' },
)

const script = z.strictObject({
  faults: z.array(statusInRange).max(1_000).default([]),
  seed: z.int().min(0).default(1),
  rate: z.partialRecord(name, z.number().min(0).max(1)).default({}),
})

const kept = z.object({
  script,
  counts: z.array(z.object({ seen: z.int(), struck: z.int() })),
  drawn: z.int().min(0),
})

type RequestFault = (typeof REQUEST_FAULTS)[number]
type EventFault = (typeof EVENT_FAULTS)[number]

/** What strikes one request: at most one fault, and beside it whether keys are looked at. */
export type Strike = {
  readonly isDeduped: boolean
  readonly fault?: Exclude<RequestFault, 'no_dedupe'>
  readonly value?: number | undefined
  readonly retryAfter?: number | undefined
  readonly code?: string | undefined
  readonly retriable?: boolean | undefined
}

/** What strikes one event on its way out. */
export type EventStrike = { readonly fault: EventFault; readonly value?: number | undefined }

/** What a rule may look at. */
export type Struck = {
  readonly method: string
  readonly path: string
  readonly key: string | undefined
}

/** The fault script of one partner. */
export type FaultScript = {
  /** The answer to `GET /faults`: the script and how often each rule struck. */
  readonly show: () => Answer
  /** Replaces the script whole, or refuses it naming every wrong field. */
  readonly replace: (value: unknown) => Answer
  /** What strikes this request; counts it. */
  readonly draw: (request: Struck) => Strike
  /** What strikes an event, or nothing; counts it. */
  readonly drawEvent: (event: { type: string; key: string }) => EventStrike | undefined
}

type Rule = { readonly rule: z.output<typeof rule>; seen: number; struck: number }

/**
 * The faults of a partner: none, or those that `first` kept, with their counts and at the same place
 * of the same random numbers. `onChange` is given what to keep, after every change.
 */
export function faultScript(
  first?: unknown,
  onChange: (kept: unknown) => void = () => {},
): FaultScript {
  const before = kept.safeParse(first)
  let current = before.success ? before.data.script : script.parse({})
  let rules = current.faults.map((one, index): Rule => {
    const counts = before.success ? before.data.counts[index] : undefined
    return { rule: one, seen: counts?.seen ?? 0, struck: counts?.struck ?? 0 }
  })
  let random: Random = seededRandom(current.seed)
  let drawn = before.success ? before.data.drawn : 0
  for (let skipped = 0; skipped < drawn; skipped += 1) random()

  const show = (): Answer => json(200, { ...current, struck: rules.map((one) => one.struck) })
  const changed = (): void => {
    const counts = rules.map(({ seen, struck }) => ({ seen, struck }))
    onChange({ script: current, counts, drawn })
  }
  const roll = <T extends RequestFault | EventFault>(faults: readonly T[]): T[] => {
    if (Object.keys(current.rate).length === 0) return []
    drawn += faults.length
    return faults.filter((fault) => random() < (current.rate[fault] ?? 0))
  }

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
      drawn = 0
      changed()
      return show()
    },
    draw(request) {
      const hits = rules.filter((one) => isOfRequest(one) && isStruck(one, request))
      const rolled = roll(REQUEST_FAULTS)
      if (hits.length > 0 || rolled.length > 0 || rules.length > 0) changed()
      const isBlind = hits.some((one) => one.rule.fault === 'no_dedupe')
      const isDeduped = !isBlind && !rolled.includes('no_dedupe')
      for (const { rule: one } of hits) {
        const { fault, value, retry_after: retryAfter, code, retriable } = one
        if (fault !== 'no_dedupe' && !isEventFault(fault))
          return { isDeduped, fault, value, retryAfter, code, retriable }
      }
      const fault = rolled.find((one) => one !== 'no_dedupe')
      return fault ? { isDeduped, fault } : { isDeduped }
    },
    drawEvent({ type, key }) {
      const asked = { method: 'POST', path: '', key, event: type }
      const hit = rules.find((one) => isEventFault(one.rule.fault) && isStruck(one, asked))
      const [rolled] = roll(EVENT_FAULTS)
      if (hit || rolled) changed()
      if (hit && isEventFault(hit.rule.fault))
        return { fault: hit.rule.fault, value: hit.rule.value }
      return rolled ? { fault: rolled } : undefined
    },
  }
}

const isOfRequest = (one: Rule): boolean => !isEventFault(one.rule.fault)

function isEventFault(fault: string): fault is EventFault {
  return EVENT_FAULTS.some((one) => one === fault)
}

// An unknown field is the issue of its parent in zod; the answer names the field itself.
function nameFields(issue: z.core.$ZodIssue): { field: string; message: string }[] {
  const names = issue.code === 'unrecognized_keys' ? issue.keys : ['']
  return names.map((last) => ({
    field: [...issue.path.map(String), last].filter(Boolean).join('.') || 'body',
    message: issue.message,
  }))
}

function isStruck(one: Rule, request: Struck & { readonly event?: string }): boolean {
  const { match, times } = one.rule
  if (match.method !== undefined && match.method !== request.method) return false
  if (match.path !== undefined && !isPath(match.path, request.path)) return false
  if (match.key !== undefined && match.key !== request.key) return false
  if (match.event !== undefined && match.event !== request.event) return false
  one.seen += 1
  const limit = times ?? (match.nth === undefined ? Number.POSITIVE_INFINITY : 1)
  if (one.seen < (match.nth ?? 1) || one.struck >= limit) return false
  one.struck += 1
  return true
}

function isPath(pattern: string, path: string): boolean {
  return pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : pattern === path
}

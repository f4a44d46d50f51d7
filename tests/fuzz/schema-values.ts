// Values made from JSON Schema by a seeded source: what a schema takes, and what it forbids.
import { z } from 'zod'

/** The part of JSON Schema that our own OpenAPI document uses. */
export type Schema = {
  readonly type?: string | undefined
  readonly const?: unknown
  readonly enum?: readonly unknown[] | undefined
  readonly pattern?: string | undefined
  readonly format?: string | undefined
  readonly minLength?: number | undefined
  readonly maxLength?: number | undefined
  readonly minimum?: number | undefined
  readonly maximum?: number | undefined
  readonly minItems?: number | undefined
  readonly maxItems?: number | undefined
  readonly items?: Schema | undefined
  readonly properties?: Readonly<Record<string, Schema>> | undefined
  readonly required?: readonly string[] | undefined
  readonly additionalProperties?: unknown
  readonly anyOf?: readonly Schema[] | undefined
}

export const schema: z.ZodType<Schema> = z.lazy(() =>
  z.object({
    type: z.string().optional(),
    const: z.unknown().optional(),
    enum: z.array(z.unknown()).optional(),
    pattern: z.string().optional(),
    format: z.string().optional(),
    minLength: z.number().optional(),
    maxLength: z.number().optional(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    minItems: z.number().optional(),
    maxItems: z.number().optional(),
    items: schema.optional(),
    properties: z.record(z.string(), schema).optional(),
    required: z.array(z.string()).optional(),
    additionalProperties: z.unknown().optional(),
    anyOf: z.array(schema).optional(),
  }),
)

/** A seeded source of choices. */
export type Source = {
  readonly below: (limit: number) => number
  readonly pick: <T>(all: readonly T[]) => T | undefined
  /** A text that exists in the shop, to meet more than 404. */
  readonly known: () => string
}

const TEXTS = ['A', 'GB', 'GBP', 'loc-shipco', 'shipco', 'x'.repeat(20), '2026-12-01', '1', 'hfk']

/** A value that the schema takes, as far as a few tries find one; members that may be absent come and go. */
export function validValue(of: Schema, source: Source, depth = 0): unknown {
  if (of.const !== undefined) return of.const
  if (of.enum) return source.pick(of.enum)
  if (of.anyOf) return validValue(source.pick(of.anyOf) ?? {}, source, depth)
  switch (of.type) {
    case 'string':
      return validText(of, source)
    case 'integer':
    case 'number':
      return numberOf(of, source)
    case 'boolean':
      return source.below(2) === 0
    case 'null':
      return null
    case 'array':
      return Array.from({ length: Math.max(of.minItems ?? 0, source.below(3)) }, () =>
        validValue(of.items ?? {}, source, depth + 1),
      )
    case 'object':
    case undefined:
    default:
      return objectOf(of, source, depth)
  }
}

function numberOf(of: Schema, source: Source): number {
  const least = Math.max(of.minimum ?? 0, -1_000)
  return Math.min(of.maximum ?? 100, least + source.below(50))
}

function objectOf(of: Schema, source: Source, depth: number): Record<string, unknown> {
  const made: Record<string, unknown> = {}
  for (const [name, member] of Object.entries(of.properties ?? {})) {
    const isNeeded = of.required?.includes(name) === true
    if (isNeeded || source.below(4) === 0) made[name] = validValue(member, source, depth + 1)
  }
  return made
}

function validText(of: Schema, source: Source): string {
  if (of.format === 'date-time') return '2026-12-01T10:00:00Z'
  if (of.format === 'date') return '2026-12-01'
  if (of.format === 'uri') return 'https://shop.example/hooks'
  const fits = (text: string): boolean =>
    text.length >= (of.minLength ?? 0) &&
    text.length <= (of.maxLength ?? 1_000) &&
    (of.pattern === undefined || new RegExp(of.pattern, 'u').test(text))
  const tries = [source.known(), source.known(), ...TEXTS].filter(fits)
  return source.pick(tries) ?? 'A'
}

const HOSTILE: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1.5,
  1e308,
  2 ** 53,
  -(2 ** 63),
  '',
  ' ',
  '\u0000',
  '\ud800',
  '\uffff',
  "'; drop table orders;--",
  'x'.repeat(5_000),
  '../../../etc/passwd',
  '2026-13-45T99:99:99Z',
  'ord_00000000000000000000000000',
  [],
  {},
  [[[]]],
  { toString: 1 },
]

/** Any value, whether or not anybody takes it. */
export const hostileValue = (source: Source): unknown => source.pick(HOSTILE)

/** One change that the schema of an object forbids for certain; undefined where it forbids too little. */
export function forbiddenBody(of: Schema, source: Source): unknown {
  const body = objectOf(of, source, 0)
  const needed = (of.required ?? []).filter((name) => of.properties?.[name] !== undefined)
  const ways: (() => unknown)[] = [() => [body], () => 'text', () => 7]
  const missing = source.pick(needed)
  if (missing !== undefined) {
    ways.push(() => Object.fromEntries(Object.entries(body).filter(([name]) => name !== missing)))
    if (isTyped(of.properties?.[missing])) ways.push(() => ({ ...body, [missing]: { of: [null] } }))
  }
  if (of.additionalProperties === false) ways.push(() => ({ ...body, not_a_member: 1 }))
  for (const [name, member] of Object.entries(of.properties ?? {})) {
    const { maximum, maxLength } = member
    if (member.type === 'integer' && maximum !== undefined && maximum < 2 ** 52) {
      ways.push(() => ({ ...body, [name]: maximum + 1 }))
    }
    if (member.type === 'string' && maxLength !== undefined && maxLength < 100_000) {
      ways.push(() => ({ ...body, [name]: 'x'.repeat(maxLength + 1) }))
    }
  }
  return source.pick(ways)?.()
}

const isTyped = (of: Schema | undefined): boolean =>
  of?.type === 'string' || of?.type === 'integer' || of?.type === 'array' || of?.type === 'boolean'

import type { z } from 'zod'
import { accept, refuse } from '#kernel/index.ts'
import type { Outcome, Refusal, RefusalCode } from '#kernel/index.ts'
import { isStorableText, parseStrictJson } from '../webhooks/strict-json.ts'
import type { FieldError } from './problem.ts'
import type { AnyRoute } from './route.ts'

type Given = {
  readonly body: Buffer
  readonly mediaType: string | undefined
  readonly query: unknown
  readonly params: unknown
}
type Input = { readonly body: never; readonly query: never; readonly params: never }
type BadInput = { readonly refusal: Refusal; readonly errors: readonly FieldError[] }

/** Path, query and body of a request by the schemas of its route, in that order; first refusal wins. */
export type ReadInput = (given: Given) => { ok: true; value: Input } | ({ ok: false } & BadInput)

/**
 * Compiles the reader of one route. A part without a schema is not read. Every bad field of a part
 * is named; JSON with a key twice, with `__proto__` or not in UTF-8 is `body_malformed`.
 */
export function inputReader(route: AnyRoute): ReadInput {
  const readParams = checker(route.params, 'query_invalid')
  const readQuery = checker(route.query, 'query_invalid')
  const readBody = checker(route.body, 'body_invalid')
  const parse = route.bodyFormat === 'form' ? parseForm : parseJson
  const mediaType =
    route.bodyFormat === 'form' ? 'application/x-www-form-urlencoded' : 'application/json'
  return (given) => {
    const params = readParams(given.params)
    if (!params.ok) return params
    const query = readQuery(given.query)
    if (!query.ok) return query
    if (!route.body)
      return { ok: true, value: { ...ABSENT, params: params.value, query: query.value } }
    if (given.body.length > 0 && !isMediaType(given.mediaType, mediaType)) {
      return { ...refuse('media_type_unsupported', `Send ${mediaType}.`), errors: [] }
    }
    const parsed = parse(given.body)
    if (!parsed.ok) return { ok: false, refusal: parsed.refusal, errors: [] }
    const body = readBody(parsed.value)
    if (!body.ok) return body
    return { ok: true, value: { body: body.value, query: query.value, params: params.value } }
  }
}

// A route without a schema for a part declares that part `undefined`, and that is what it gets.
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
const ABSENT = { body: undefined, query: undefined, params: undefined } as unknown as Input

type Checked = { ok: true; value: never } | ({ ok: false } & BadInput)

function checker(schema: z.ZodType<never> | undefined, code: RefusalCode) {
  if (!schema) return (): Checked => ({ ok: true, value: ABSENT.body })
  return (value: unknown): Checked => {
    const unstorable = code === 'query_invalid' ? unstorableField(value) : undefined
    if (unstorable !== undefined) return { ok: false, ...unreadable(code, unstorable) }
    const result = schema.safeParse(value)
    return result.success
      ? { ok: true, value: result.data }
      : { ok: false, ...badInput(code, result.error.issues) }
  }
}

// A path and a query can spell U+0000 as %00; what JSON may spell is judged where it is parsed.
function unstorableField(parts: unknown): string | undefined {
  if (typeof parts !== 'object' || parts === null) return undefined
  const bad = Object.entries(parts).find(([, value]) => !isStorableText(String(value)))
  return bad?.[0].slice(0, 100)
}

function unreadable(code: RefusalCode, field: string): BadInput {
  const errors = [{ field, detail: 'has a character that no text here holds' }]
  return {
    refusal: refuse(code, `${field}: ${errors[0]?.detail ?? ''}.`, { field }).refusal,
    errors,
  }
}

function badInput(code: RefusalCode, issues: readonly z.core.$ZodIssue[]): BadInput {
  const errors = issues.slice(0, 50).flatMap(fieldErrors)
  const [first] = errors
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''
  const detail = first ? `${first.field || 'The body'}: ${first.detail}${more}` : 'Invalid input.'
  const { refusal } = refuse(code, detail, first?.field ? { field: first.field } : {})
  return { refusal, errors }
}

function fieldErrors(issue: z.core.$ZodIssue): readonly FieldError[] {
  const at = fieldPath(issue.path)
  if (issue.code !== 'unrecognized_keys') return [{ field: at, detail: issue.message }]
  return issue.keys.map((key) => ({
    field: at === '' ? key.slice(0, 100) : `${at}.${key.slice(0, 100)}`,
    detail: 'is not a field of this route',
  }))
}

function fieldPath(path: readonly PropertyKey[]): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else text += text === '' ? String(part).slice(0, 100) : `.${String(part).slice(0, 100)}`
  }
  return text
}

function isMediaType(given: string | undefined, wanted: string): boolean {
  return given === wanted || given?.split(';')[0]?.trim().toLowerCase() === wanted
}

function parseJson(bytes: Buffer): Outcome<unknown> {
  if (bytes.length === 0)
    return refuse('body_malformed', 'The body is empty; the route takes JSON.')
  const parsed = parseStrictJson(bytes)
  if (!parsed.ok) return parsed
  // An escape can spell `__proto__` too, so any text with an escape of that kind is walked.
  const isSuspect = bytes.includes('__proto__') || bytes.includes('\\u')
  if (isSuspect && hasPrototypeKey(parsed.value)) {
    return refuse('body_malformed', 'The body has a key __proto__.')
  }
  return parsed
}

function hasPrototypeKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.hasOwn(value, '__proto__') || Object.values(value).some(hasPrototypeKey)
}

function parseForm(bytes: Buffer): Outcome<unknown> {
  const fields = new URLSearchParams(bytes.toString('utf8'))
  const names = [...fields.keys()]
  if (new Set(names).size !== names.length || names.includes('__proto__')) {
    return refuse('body_malformed', 'The form has a field twice.')
  }
  if (!names.every((name) => isStorableText(name + (fields.get(name) ?? '')))) {
    return refuse('body_malformed', 'The form has text with U+0000.')
  }
  return accept(Object.fromEntries(fields))
}

// One request made from our OpenAPI document by its seed and number alone.
import { z } from 'zod'
import { seededRandom } from '#kernel/index.ts'
import { forbiddenBody, hostileValue, schema, validValue } from './schema-values.ts'
import type { Source } from './schema-values.ts'

const content = z.record(z.string(), z.object({ schema }))
const operation = z.object({
  parameters: z
    .array(z.object({ name: z.string(), in: z.enum(['path', 'query']), schema }))
    .default([]),
  requestBody: z.object({ content }).optional(),
})
const document = z.object({ paths: z.record(z.string(), z.record(z.string(), operation)) })

/** One operation of the document. */
export type Operation = z.output<typeof operation> & {
  readonly method: string
  readonly path: string
}

/** Every operation of an OpenAPI document. */
export function operationsOf(text: string): readonly Operation[] {
  const { paths } = document.parse(JSON.parse(text))
  const all: Operation[] = []
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, one] of Object.entries(methods)) {
      all.push({ ...one, path, method: method.toUpperCase() })
    }
  }
  return all
}

/** A request and whether the document forbids it, so that a 2xx would be wrong. */
export type FuzzRequest = {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly isForbidden: boolean
  readonly operation: Operation
}

/** What requests are made with: real ids of the shop, and headers that let them in. */
export type FuzzShop = {
  readonly operations: readonly Operation[]
  readonly ids: readonly string[]
  readonly credentials: readonly Readonly<Record<string, string>>[]
}

/** Request number `number` of a seed: the same for the same shop. */
export function makeRequest(shop: FuzzShop, seed: number, number: number): FuzzRequest {
  const random = seededRandom(seed * 1_000_003 + number)
  const below = (limit: number): number => Math.floor(random() * limit)
  const pick = <T>(all: readonly T[]): T | undefined => all[below(all.length)]
  const source: Source = { below, pick, known: () => pick(shop.ids) ?? 'A' }
  // Every operation in turn, so that a short run calls each of them.
  const one = shop.operations[number % shop.operations.length]
  if (!one) throw new Error('the document has no operation')
  const made = bodyOf(one, source)
  const key = below(8) === 0 ? '"half' : `fuzz-${number}`
  return {
    method: one.method,
    url: urlOf(one, source),
    headers: { 'idempotency-key': key, ...pick(shop.credentials), ...made.headers },
    ...(made.body === undefined ? {} : { body: made.body }),
    isForbidden: made.isForbidden,
    operation: one,
  }
}

function urlOf(one: Operation, source: Source): string {
  const value = (of: Operation['parameters'][number]): string => {
    const how = source.below(6)
    if (how === 0) return encode(hostileValue(source))
    return how < 4 ? source.known() : encode(validValue(of.schema, source))
  }
  let path = one.path
  const query: string[] = []
  for (const parameter of one.parameters) {
    if (parameter.in === 'path') path = path.replace(`{${parameter.name}}`, value(parameter) || 'x')
    else if (source.below(2) === 0) query.push(`${parameter.name}=${value(parameter)}`)
  }
  return query.length > 0 ? `${path}?${query.join('&')}` : path
}

const encode = (value: unknown): string => {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return encodeURIComponent(text.toWellFormed().slice(0, 300))
}

type Made = {
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly isForbidden: boolean
}

function bodyOf(one: Operation, source: Source): Made {
  const [type, media] = Object.entries(one.requestBody?.content ?? {})[0] ?? []
  if (!type || !media) return { headers: {}, isForbidden: false }
  const headers = { 'content-type': type }
  if (type !== 'application/json') {
    const value = validValue(media.schema, source)
    const fields = Object.entries(z.record(z.string(), z.unknown()).catch({}).parse(value))
    const body = fields.map(([name, text]) => `${name}=${encode(text)}`).join('&')
    return { headers, body, isForbidden: false }
  }
  const valid = validValue(media.schema, source)
  const text = JSON.stringify(valid)
  switch (source.below(9)) {
    case 0:
      return { headers, body: text.slice(0, -1), isForbidden: true }
    case 1:
      return { headers, body: '['.repeat(20_000), isForbidden: true }
    case 2:
      return {
        headers,
        body: text.replace('{', '{"__proto__":1,'),
        isForbidden: text.includes('{'),
      }
    case 3:
      return { headers: { ...headers, 'content-encoding': 'gzip' }, body: text, isForbidden: true }
    case 4:
      return { headers: { 'content-type': 'text/plain' }, body: text, isForbidden: true }
    case 5:
      return { headers, body: JSON.stringify(withHostile(valid, source)), isForbidden: false }
    case 6:
    case 7: {
      const isObject = media.schema.type === 'object'
      const wrong = isObject ? forbiddenBody(media.schema, source) : undefined
      if (wrong === undefined) return { headers, body: text, isForbidden: false }
      return { headers, body: JSON.stringify(wrong), isForbidden: true }
    }
    default:
      return { headers, body: text, isForbidden: false }
  }
}

function withHostile(value: unknown, source: Source): unknown {
  if (Array.isArray(value) && value.length > 0) {
    return value.map((one: unknown) => (source.below(2) === 0 ? one : withHostile(one, source)))
  }
  if (typeof value !== 'object' || value === null) return hostileValue(source)
  const members = Object.entries(value)
  const chosen = source.pick(members)?.[0]
  return Object.fromEntries(
    members.map(([name, one]) => [name, name === chosen ? withHostile(one, source) : one]),
  )
}

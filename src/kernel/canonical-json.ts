import canonicalize from 'canonicalize'
import { invariant } from './outcome.ts'

/** What canonical JSON may hold: no `undefined`, no fractions, no integers beyond 2^53 − 1. */
export type CanonicalValue =
  | null
  | boolean
  | number
  | string
  | readonly CanonicalValue[]
  | { readonly [key: string]: CanonicalValue }

/**
 * RFC 8785 (JCS) text of a value. Throws where the value holds what the library would silently
 * drop or round: `undefined`, unsafe integers, fractions. Money and ids are integers and strings.
 */
export function canonicalJson(value: CanonicalValue): string {
  assertCanonical(value, '$')
  const text = canonicalize(value)
  invariant(text !== undefined, 'canonical JSON of a checked value exists')
  return text
}

function assertCanonical(value: unknown, path: string): void {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return
  if (typeof value === 'number') {
    invariant(Number.isSafeInteger(value), `${path} is a safe integer`)
    return
  }
  invariant(typeof value === 'object', `${path} is JSON`)
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) assertCanonical(item, `${path}[${index}]`)
    return
  }
  for (const [key, item] of Object.entries(value)) assertCanonical(item, `${path}.${key}`)
}

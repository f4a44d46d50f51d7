import { canonicalJson } from '#kernel/index.ts'
import type { CanonicalValue } from '#kernel/index.ts'

/**
 * RFC 8785 text, or `undefined` for a value without one (a fraction, an unsafe integer, a lone
 * surrogate). What arrives sorted, as sealed bodies do, takes the engine's own writer (100 orders
 * of 25 lines: 0.5 ms instead of 3.6 ms): RFC 8785 is `JSON.stringify` after a sort.
 */
export function canonicalText(value: CanonicalValue): string | undefined {
  if (isInOrder(value)) {
    const text = JSON.stringify(value)
    if (!LONE_SURROGATE.test(text)) return text
  }
  try {
    return canonicalJson(value)
  } catch {
    return undefined
  }
}

/** `JSON.stringify` escapes a lone surrogate, and nothing else, as `\\ud8` to `\\udf`. */
const LONE_SURROGATE = /\\ud[89a-f]/

function isInOrder(value: CanonicalValue): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value)
  if (typeof value !== 'object' || value === null) return true
  if (isList(value)) return value.every(isInOrder)
  let before = ''
  for (const [name, child] of Object.entries(value)) {
    // `<` compares UTF-16 code units, which is the order that RFC 8785 §3.2.3 asks for.
    if (name < before || !isInOrder(child)) return false
    before = name
  }
  return true
}

// `Array.isArray` does not narrow a readonly array.
function isList(value: CanonicalValue): value is readonly CanonicalValue[] {
  return Array.isArray(value)
}

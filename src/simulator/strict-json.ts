import { isUtf8 } from 'node:buffer'
import type { CanonicalValue } from '#kernel/index.ts'

/**
 * RFC 8259 JSON of the received bytes, or `undefined`: bytes that are not UTF-8 and objects with a
 * key twice are refused, because `JSON.parse` would let `{"hold":true,"hold":false}` read as false.
 */
export function strictJson(bytes: Buffer): CanonicalValue | undefined {
  if (!isUtf8(bytes)) return undefined
  const text = bytes.toString('utf8')
  try {
    const value: CanonicalValue = JSON.parse(text)
    return keysWritten(text) === keysKept(value) ? value : undefined
  } catch {
    return undefined
  }
}

// In valid JSON a string followed by a colon is a key, and nothing else is.
function keysWritten(text: string): number {
  let count = 0
  for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"[ \t\r\n]*(:?)/g)) {
    if (match[1] === ':') count += 1
  }
  return count
}

function keysKept(value: CanonicalValue): number {
  if (typeof value !== 'object' || value === null) return 0
  const isList = Array.isArray(value)
  const children: readonly CanonicalValue[] = Object.values(value)
  return children.reduce<number>(
    (sum, child) => sum + keysKept(child),
    isList ? 0 : children.length,
  )
}

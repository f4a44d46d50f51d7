import { accept, refuse } from '#kernel/index.ts'
import type { Outcome, Refusal } from '#kernel/index.ts'

const DEPTH_MAX = 64
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * JSON (RFC 8259) of raw bytes as I-JSON (RFC 7493) wants it: UTF-8 or refused, no key twice in one
 * object, no lone surrogate, at most 64 levels. `{"hold":true,"hold":false}` has no meaning and must
 * not get one. U+0000 is refused too: no column of text holds it.
 */
export function parseStrictJson(bytes: Uint8Array): Outcome<unknown, Refusal<'body_malformed'>> {
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch {
    return refuse('body_malformed', 'The body is not UTF-8.')
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return refuse('body_malformed', 'The body is not JSON.')
  }
  const fault = structureFault(text)
  return fault === undefined ? accept(value) : refuse('body_malformed', fault)
}

// The text is known to be JSON, so a string is a key exactly where an object expects one.
function structureFault(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = []
  let isKeyNext = false
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charAt(at)) {
      case '{':
      case '[': {
        const isObject = text[at] === '{'
        if (open.length >= DEPTH_MAX) return `The body nests deeper than ${DEPTH_MAX} levels.`
        open.push(isObject ? new Set() : undefined)
        isKeyNext = isObject
        break
      }
      case '}':
      case ']':
        open.pop()
        isKeyNext = false
        break
      case ',':
        isKeyNext = open.at(-1) !== undefined
        break
      case '"': {
        const end = endOfString(text, at)
        const spelled = text.slice(at, end + 1)
        // Raw bytes hold neither a NUL nor a surrogate here: only an escape can spell one.
        if (spelled.includes('\\u') && !isStorableText(String(JSON.parse(spelled)))) {
          return 'The body has text with U+0000 or half of a surrogate pair.'
        }
        if (isKeyNext) {
          const keys = open.at(-1)
          const key = String(JSON.parse(spelled))
          if (keys?.has(key) === true) return 'The body has the same key twice in one object.'
          keys?.add(key)
          isKeyNext = false
        }
        at = end
        break
      }
      default:
    }
  }
  return undefined
}

/** Whether PostgreSQL and canonical JSON can hold a text: no U+0000, no lone surrogate. */
export function isStorableText(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0')
}

function endOfString(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at
}

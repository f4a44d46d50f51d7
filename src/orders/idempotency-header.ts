import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'

/**
 * Reads an `Idempotency-Key` (IETF draft-ietf-httpapi-idempotency-key-header-07): a quoted Structured
 * Field string or, as most clients send it, the bare value. 1 to 255 printable ASCII characters. A
 * value with a quote that is not one whole string (RFC 8941) is refused: it may be half a key.
 */
export function idempotencyKey(header: string | undefined): Outcome<string> {
  if (header === undefined) {
    return refuse('idempotency_key_missing', 'This route needs an Idempotency-Key header.', {
      field: 'Idempotency-Key',
    })
  }
  const value = header.includes('"') ? quotedText(header) : header
  if (value !== undefined && /^[\x20-\x7e]{1,255}$/.test(value) && value.trim() !== '') {
    return accept(value)
  }
  return refuse(
    'idempotency_key_invalid',
    'An Idempotency-Key has 1 to 255 printable ASCII characters, bare or as a quoted string.',
    {
      field: 'Idempotency-Key',
    },
  )
}

// A String of RFC 8941 without parameters; undefined where it is cut or has another escape.
function quotedText(header: string): string | undefined {
  const quoted = /^"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/.exec(header)
  return quoted?.[1]?.replaceAll(/\\(["\\])/g, '$1')
}

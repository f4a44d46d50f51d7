import { accept, refuse } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'

/**
 * Reads an `Idempotency-Key` (IETF draft-ietf-httpapi-idempotency-key-header-07): a quoted Structured
 * Field string or, as most clients send it, the bare value. 1 to 255 printable ASCII characters.
 */
export function idempotencyKey(header: string | undefined): Outcome<string> {
  if (header === undefined) {
    return refuse('idempotency_key_missing', 'This route needs an Idempotency-Key header.', {
      field: 'Idempotency-Key',
    })
  }
  const quoted = /^"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/.exec(header)
  const value = quoted?.[1] === undefined ? header : quoted[1].replaceAll(/\\(["\\])/g, '$1')
  if (/^[\x20-\x7e]{1,255}$/.test(value) && value.trim() !== '') return accept(value)
  return refuse(
    'idempotency_key_invalid',
    'An Idempotency-Key has 1 to 255 printable ASCII characters.',
    {
      field: 'Idempotency-Key',
    },
  )
}

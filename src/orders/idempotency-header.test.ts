import { expect, test } from 'vitest'
import { idempotencyKey } from './idempotency-header.ts'

test.each([
  ['5f0c7f3e-1d1b', '5f0c7f3e-1d1b'],
  ['a key, with words', 'a key, with words'],
  [String.raw`a\b`, String.raw`a\b`],
  ['"5f0c7f3e-1d1b"', '5f0c7f3e-1d1b'],
  [String.raw`"a\"b\\c"`, String.raw`a"b\c`],
  [`"${'x'.repeat(255)}"`, 'x'.repeat(255)],
])('%s is the key %s', (header, key) => {
  expect(idempotencyKey(header)).toEqual({ ok: true, value: key })
})

test.each([
  ['cut in front', 'abc"'],
  ['cut behind', '"abc'],
  ['a quote alone', '"'],
  ['empty', '""'],
  ['blank', '"  "'],
  ['a quote inside', '"a"b"'],
  ['an unknown escape', String.raw`"a\b"`],
  ['an escape at its end', String.raw`"abc\"`],
  ['two strings', '"a", "b"'],
  ['a parameter', '"a";b=1'],
  ['not ASCII', 'schlüssel'],
  ['too long', 'x'.repeat(256)],
  ['too long in quotes', `"${'x'.repeat(256)}"`],
])('%s is refused: %s', (_, header) => {
  expect(idempotencyKey(header)).toMatchObject({
    ok: false,
    refusal: { code: 'idempotency_key_invalid', field: 'Idempotency-Key' },
  })
})

test('none is missing, not invalid', () => {
  expect(idempotencyKey(undefined)).toMatchObject({ refusal: { code: 'idempotency_key_missing' } })
})

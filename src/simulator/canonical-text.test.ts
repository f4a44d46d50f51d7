import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalJson } from '#kernel/index.ts'
import type { CanonicalValue } from '#kernel/index.ts'
import { canonicalText } from './canonical-text.ts'
import { strictJson } from './strict-json.ts'

const json = fc.jsonValue({ stringUnit: 'binary', depthSize: 'medium' })

function slowText(value: CanonicalValue): string | undefined {
  try {
    return canonicalJson(value)
  } catch {
    return undefined
  }
}

test('the quick text is the text of the canonicalization library, sorted or not', () => {
  fc.assert(
    fc.property(json, (value) => {
      const parsed: CanonicalValue = JSON.parse(JSON.stringify(value))
      const text = slowText(parsed)
      expect(canonicalText(parsed)).toBe(text)
      if (text === undefined) return
      const sorted: CanonicalValue = JSON.parse(text)
      expect(canonicalText(sorted)).toBe(text)
    }),
  )
})

test.each([
  ['{"10":1,"9":2}', '{"10":1,"9":2}'],
  ['{"b":1,"a":2}', '{"a":2,"b":1}'],
  ['{"":1,"a":-0}', '{"":1,"a":0}'],
  ['{"a":0.5}', undefined],
  ['{"a":9007199254740993}', undefined],
  [String.raw`{"a":"\ud800"}`, undefined],
  [String.raw`{"a":"\\ud800"}`, String.raw`{"a":"\\ud800"}`],
])('%s has the canonical text %s', (text, expected) => {
  const value: CanonicalValue = JSON.parse(text)
  expect(canonicalText(value)).toBe(expected)
})

test('strict JSON is any JSON in which no object has a key twice', () => {
  fc.assert(
    fc.property(json, (value) => {
      const text = JSON.stringify(value, undefined, 1)
      expect(strictJson(Buffer.from(text))).toEqual(JSON.parse(text))
    }),
  )
})

test.each([
  '{"a":1,"a":1}',
  String.raw`{"a":1,"\u0061":2}`,
  '[{"b":{"x":1 , "y" : 2, "x"\n:3}}]',
  '{"__proto__":1,"__proto__":2}',
  '{"a":1}{',
  '{"a":01}',
  '\uFEFF{}',
  '',
])('%s is not strict JSON', (text) => {
  expect(strictJson(Buffer.from(text))).toBeUndefined()
})

test('strings that look like keys are not keys', () => {
  const text = String.raw`{"a":"\"b\":","c":["\\\"d\":",{"e:":":"}]}`
  expect(strictJson(Buffer.from(text))).toEqual(JSON.parse(text))
})

test('bytes that are not UTF-8 are refused', () => {
  expect(strictJson(Buffer.from([0x22, 0xff, 0x22]))).toBeUndefined()
})

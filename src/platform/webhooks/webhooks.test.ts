import { Webhook } from 'standardwebhooks'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  isWebhookSecret,
  newWebhookSecret,
  parseStrictJson,
  signWebhook,
  verifyWebhook,
} from './index.ts'

// The vector of the Standard Webhooks specification and of its official libraries.
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const ID = 'msg_p5jXN8AQM9LWM0D4loKWxJek'
const AT_S = 1_614_265_330
const BODY = Buffer.from('{"test": 2432232314}')

const headersOf = (body: Uint8Array, secret = SECRET, id = ID, timestampS = AT_S) => ({
  ...signWebhook({ secret, id, timestampS, body }),
})
const verified = (
  body: Uint8Array,
  headers: Record<string, string>,
  secrets = [SECRET],
  nowS = AT_S,
) => verifyWebhook({ secrets, headers, body, nowS })

describe('signing', () => {
  test('the published vector comes out', () => {
    expect(headersOf(BODY)['webhook-signature']).toBe(
      'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    )
  })

  test('the official library verifies what we sign, under either of two secrets', () => {
    const secrets = [newWebhookSecret(), newWebhookSecret()]
    fc.assert(
      fc.property(fc.json(), (json) => {
        const body = Buffer.from(json)
        const timestampS = Math.floor(Date.now() / 1000)
        const headers = { ...signWebhook({ secret: secrets, id: ID, timestampS, body }) }
        for (const secret of secrets) {
          expect(new Webhook(secret).verify(json, headers)).toEqual(JSON.parse(json))
        }
      }),
      { numRuns: 50 },
    )
  })

  test('we verify what the official library signs', () => {
    const signature = new Webhook(SECRET).sign(ID, new Date(AT_S * 1000), BODY.toString())
    const outcome = verified(BODY, { ...headersOf(BODY), 'webhook-signature': signature })
    expect(outcome).toEqual({ ok: true, value: { id: ID, timestampS: AT_S, secretIndex: 0 } })
  })

  test('an id with a dot is never signed', () => {
    expect(() => headersOf(BODY, SECRET, 'a.1')).toThrow('invariant')
  })

  test('a new secret is 32 random bytes', () => {
    const secret = newWebhookSecret()
    expect(isWebhookSecret(secret)).toBe(true)
    expect(Buffer.from(secret.slice(6), 'base64')).toHaveLength(32)
    expect(isWebhookSecret('whsec_short')).toBe(false)
  })
})

describe('verifying', () => {
  test('says which secret signed', () => {
    const secrets = [newWebhookSecret(), SECRET]
    expect(verified(BODY, headersOf(BODY), secrets)).toMatchObject({ value: { secretIndex: 1 } })
  })

  test('bytes that decode to the same text are different bytes', () => {
    const signed = Buffer.from([0x22, 0xff, 0x22])
    const swapped = Buffer.from([0x22, 0xfe, 0x22])
    expect(verified(signed, headersOf(signed)).ok).toBe(true)
    expect(verified(swapped, headersOf(signed)).ok).toBe(false)
  })

  test.each([
    ['an id with a dot', { 'webhook-id': 'a.1' }],
    ['an id of 65 characters', { 'webhook-id': 'a'.repeat(65) }],
    ['a timestamp with a tail', { 'webhook-timestamp': `${AT_S}abc` }],
    ['a timestamp of nine digits', { 'webhook-timestamp': '161426533' }],
    [
      'a signature of another version',
      { 'webhook-signature': 'v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=' },
    ],
    ['a cut signature', { 'webhook-signature': 'v1,g0hM9SsE' }],
    ['no signature', { 'webhook-signature': '' }],
  ])('refuses %s', (_, change) => {
    const outcome = verified(BODY, { ...headersOf(BODY), ...change })
    expect(outcome).toMatchObject({ ok: false, refusal: { code: 'signature_invalid' } })
  })

  test('accepts 300 s on either side and refuses 301 s', () => {
    const headers = headersOf(BODY)
    const at = (offsetS: number) => verified(BODY, headers, [SECRET], AT_S + offsetS).ok
    expect([at(300), at(-300), at(301), at(-301)]).toEqual([true, true, false, false])
  })

  test('a retired or foreign secret does not verify', () => {
    expect(verified(BODY, headersOf(BODY, newWebhookSecret())).ok).toBe(false)
    expect(verified(BODY, headersOf(BODY), []).ok).toBe(false)
  })
})

describe('strict JSON', () => {
  const isStorable = (value: unknown) => !JSON.stringify(value).includes('\\u0000')
  const refused = (text: string) => !parseStrictJson(Buffer.from(text)).ok

  test('the same key twice is refused, also when one is escaped or deep inside', () => {
    expect(refused('{"hold":true,"hold":false}')).toBe(true)
    expect(refused('{"a":[{"hold":true,"\\u0068old":false}]}')).toBe(true)
    expect(refused('[{"a":1},{"a":2},{"b":{"a":"a,{\\"a"},"a":"b"}]')).toBe(false)
  })

  test('bytes that are not UTF-8, a byte order mark and deep nesting are refused', () => {
    expect(parseStrictJson(Buffer.from([0x22, 0xff, 0x22])).ok).toBe(false)
    expect(refused('\uFEFF{}')).toBe(true)
    expect(refused('['.repeat(65) + ']'.repeat(65))).toBe(true)
    expect(refused('['.repeat(64) + ']'.repeat(64))).toBe(false)
  })

  test('text that no row can hold is refused, as a key too', () => {
    expect(refused('{"reason":"a\\u0000b"}')).toBe(true)
    expect(refused('["\\ud800"]')).toBe(true)
    expect(refused('{"\\udc00":1}')).toBe(true)
    expect(refused('{"reason":"\\ud83d\\ude00 and \\\\u0000"}')).toBe(false)
  })

  test('every JSON value that has unique keys keeps its value', () => {
    fc.assert(
      fc.property(fc.jsonValue().filter(isStorable), (value) => {
        const text = JSON.stringify(value)
        const outcome = parseStrictJson(Buffer.from(text))
        expect(outcome.ok && JSON.stringify(outcome.value)).toBe(text)
      }),
    )
  })
})

// Vectors that others have published: RFC 8032, RFC 8785, RFC 9421, RFC 9530, Standard Webhooks.
import canonicalize from 'canonicalize'
import { createPublicKey, verify } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson } from '#kernel/index.ts'
import { hasOpenssl, openssl } from '../../../tests/openssl.ts'
import { contentDigest } from './content-digest.ts'
import {
  isWebhookSecretKey,
  newWebhookKeyPair,
  newWebhookSecret,
  signWebhook,
  verifyWebhook,
  webhookPublicKey,
} from './index.ts'
import { secretBytes } from './secret.ts'
import { asymmetricSignature } from './sign-asymmetric.ts'

// Standard Webhooks 1.0.0: the vector of its official libraries.
const MESSAGE = {
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  timestampS: 1_614_265_330,
  body: Buffer.from('{"test": 2432232314}'),
}
const SIGNED = Buffer.from(`${MESSAGE.id}.${MESSAGE.timestampS}.${MESSAGE.body.toString()}`)
const V1 = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='

// RFC 8032 §7.1: seed, public key. The first is also the key of our own published v1a vector.
const RFC8032: readonly (readonly [string, string])[] = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
  ],
]
const keyText = (prefix: string, ...hex: readonly string[]) =>
  prefix + Buffer.from(hex.join(''), 'hex').toString('base64')
const SECRET_KEY = keyText('whsk_', ...(RFC8032[0] ?? []))
const PUBLIC_KEY = keyText('whpk_', RFC8032[0]?.[1] ?? '')

describe('v1 (HMAC-SHA256)', () => {
  test('is the published signature', () => {
    expect(signWebhook(MESSAGE)['webhook-signature']).toBe(V1)
  })

  test.skipIf(!hasOpenssl)('is what openssl computes, for any body', () => {
    const key = secretBytes(MESSAGE.secret).toString('hex')
    const hmac = ['dgst', '-sha256', '-mac', 'HMAC', '-macopt', `hexkey:${key}`, '-binary', 'm']
    expect(openssl(hmac, { m: SIGNED })?.toString('base64')).toBe(V1.slice(3))
    for (const body of fc.sample(fc.uint8Array(), { numRuns: 5, seed: 1 })) {
      const signature = signWebhook({ ...MESSAGE, body })['webhook-signature']
      const m = Buffer.concat([Buffer.from(`${MESSAGE.id}.${MESSAGE.timestampS}.`), body])
      expect(`v1,${openssl(hmac, { m })?.toString('base64')}`).toBe(signature)
    }
  })
})

describe('v1a (Ed25519)', () => {
  test.each(RFC8032)('takes the keys of RFC 8032: %s', (seed, open) => {
    expect(webhookPublicKey(keyText('whsk_', seed))).toBe(keyText('whpk_', open))
    expect(webhookPublicKey(keyText('whsk_', seed, open))).toBe(keyText('whpk_', open))
  })

  test('is always the same, and is added behind v1, which stays as it was', () => {
    const { 'webhook-signature': text } = signWebhook({ ...MESSAGE, secretKey: SECRET_KEY })
    expect(text.split(' ')).toEqual([V1, `v1a,${V1A}`])
    const headers = { ...signWebhook({ ...MESSAGE, secretKey: SECRET_KEY }) }
    const { secret, body, timestampS: nowS } = MESSAGE
    expect(verifyWebhook({ secrets: [secret], headers, body, nowS }).ok).toBe(true)
    expect(verifyWebhook({ secrets: [newWebhookSecret()], headers, body, nowS }).ok).toBe(false)
  })

  test('verifies under the public key and under no other, over these bytes and over no others', () => {
    const { secret, publicKey } = newWebhookKeyPair()
    expect(isWebhookSecretKey(secret)).toBe(true)
    expect(webhookPublicKey(secret)).toBe(publicKey)
    const signature = asymmetricSignature({ ...MESSAGE, secret, timestamp: '1614265330' })
    expect(isSigned(publicKey, SIGNED, signature)).toBe(true)
    expect(isSigned(PUBLIC_KEY, SIGNED, signature)).toBe(false)
    expect(isSigned(publicKey, Buffer.concat([SIGNED, Buffer.from(' ')]), signature)).toBe(false)
  })

  test.each([
    ['of another kind', MESSAGE.secret],
    ['that is cut', SECRET_KEY.slice(0, -8)],
    ['whose halves are no pair', keyText('whsk_', RFC8032[0]?.[0] ?? '', RFC8032[1]?.[1] ?? '')],
    ['that is empty', 'whsk_'],
  ])('is not made with a key %s', (_, secretKey) => {
    expect(isWebhookSecretKey(secretKey)).toBe(false)
    expect(() => signWebhook({ ...MESSAGE, secretKey })).toThrow('invariant')
  })

  test.skipIf(!hasOpenssl)('verifies with openssl', () => {
    const files = {
      pub: pem(PUBLIC_KEY),
      m: SIGNED,
      sig: Buffer.from(V1A, 'base64'),
      other: Buffer.from(V1A, 'base64').toReversed(),
    }
    const check = [
      'pkeyutl',
      '-verify',
      '-pubin',
      '-inkey',
      'pub',
      '-rawin',
      '-in',
      'm',
      '-sigfile',
    ]
    expect(openssl([...check, 'sig'], files)?.toString()).toContain('Verified Successfully')
    expect(openssl([...check, 'other'], files)).toBe(undefined)
  })
})

// Our own vector, since nobody has published one: the key of RFC 8032 test 1 over the message above.
const V1A =
  'fldxM4gAKugP6nnt1hdz3sgGfZ6d99nzrMFnZOELIxbzEHoVmAb2ADpkJK7zgPePmPsle0zV9jSeGlHFG2NVAw=='

function pem(publicKey: string): string {
  const der = Buffer.concat([
    Buffer.from('302a300506032b6570032100', 'hex'),
    Buffer.from(publicKey.slice('whpk_'.length), 'base64'),
  ])
  return `-----BEGIN PUBLIC KEY-----\n${der.toString('base64')}\n-----END PUBLIC KEY-----\n`
}

function isSigned(publicKey: string, message: Buffer, signature: Buffer): boolean {
  return verify(null, message, createPublicKey(pem(publicKey)), signature)
}

describe('Content-Digest', () => {
  test.each([
    // RFC 9530, Appendix B.1: the body ends with a line feed.
    ['{"hello": "world"}\n', 'sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:'],
    // RFC 9421, Appendix B.2: the same without it.
    ['{"hello": "world"}', 'sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:'],
  ])('of %j is the published one', (body, digest) => {
    expect(contentDigest(Buffer.from(body))).toBe(digest)
  })

  test.skipIf(!hasOpenssl)('is what openssl computes', () => {
    for (const m of fc.sample(fc.uint8Array(), { numRuns: 5, seed: 2 })) {
      const digest = openssl(['dgst', '-sha256', '-binary', 'm'], { m })?.toString('base64')
      expect(contentDigest(m)).toBe(`sha-256=:${digest}:`)
    }
  })
})

describe('canonical JSON', () => {
  // RFC 8785, Appendix B: the bits of a number, and how it is written. The RFC holds the table.
  test.each([
    ['0000000000000000', '0'],
    ['8000000000000000', '0'],
    ['0000000000000001', '5e-324'],
    ['8000000000000001', '-5e-324'],
    ['7fefffffffffffff', '1.7976931348623157e+308'],
    ['ffefffffffffffff', '-1.7976931348623157e+308'],
    ['4340000000000000', '9007199254740992'],
    ['c340000000000000', '-9007199254740992'],
    ['4430000000000000', '295147905179352830000'],
    ['44b52d02c7e14af5', '9.999999999999997e+22'],
    ['44b52d02c7e14af6', '1e+23'],
    ['44b52d02c7e14af7', '1.0000000000000001e+23'],
    ['444b1ae4d6e2ef4e', '999999999999999700000'],
    ['444b1ae4d6e2ef4f', '999999999999999900000'],
    ['444b1ae4d6e2ef50', '1e+21'],
    ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['41b3de4355555553', '333333333.3333332'],
    ['41b3de4355555554', '333333333.33333325'],
    ['41b3de4355555555', '333333333.3333333'],
    ['41b3de4355555556', '333333333.3333334'],
    ['41b3de4355555557', '333333333.33333343'],
    ['becbf647612f3696', '-0.0000033333333333333333'],
    ['43143ff3c1cb0959', '1424953923781206.2'],
  ])('writes the number %s as %s', (bits, text) => {
    expect(canonicalize(Buffer.from(bits, 'hex').readDoubleBE())).toBe(text)
  })

  test.each(['7fffffffffffffff', '7ff0000000000000'])('has no form for %s', (bits) => {
    const value = Buffer.from(bits, 'hex').readDoubleBE()
    expect(() => canonicalize(value)).toThrow(/NaN|Infinity|finite/i)
    expect(() => canonicalJson(value)).toThrow('invariant')
  })

  // RFC 8785, §3.2.3: members are sorted by UTF-16 code unit, whatever a locale would say.
  test('sorts members as the RFC does', () => {
    const members = ['\u20ac', '\r', '\ufb33', '1', '\u{1f600}', '\u0080', '\u00f6']
    const text = canonicalJson(Object.fromEntries(members.map((name) => [name, name])))
    const sorted = ['\r', '1', '\u0080', '\u00f6', '\u20ac', '\u{1f600}', '\ufb33']
    expect(Object.values(JSON.parse(text))).toHaveLength(7)
    expect([...text.matchAll(/"([^"]*)":/g)].map((match) => JSON.parse(`"${match[1]}"`))).toEqual(
      sorted,
    )
  })

  // RFC 8785, §3.2.2: escapes are the shortest there are, and nothing else is escaped.
  test('escapes as the RFC does', () => {
    const value = { string: '\u20ac$\u000f\nA\'B"\\\\"/', literals: [null, true, false] }
    const text = '{"literals":[null,true,false],"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    expect(canonicalJson(value)).toBe(text)
    const utf8 =
      '7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c22737472696e67223a22e282ac245c75303030665c6e4127425c225c5c5c5c5c222f227d'
    expect(Buffer.from(text).toString('hex')).toBe(utf8)
  })

  test('neither composes characters nor sorts by number', () => {
    expect(canonicalJson({ a: 'A\u030a' })).toBe('{"a":"A\u030a"}')
    expect(canonicalJson({ '9': 1, '10': 2, a: { F: 5, f: 'hi' }, '': 0 })).toBe(
      '{"":0,"10":2,"9":1,"a":{"F":5,"f":"hi"}}',
    )
  })
})

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { canonicalJson, sha256Hex } from '#kernel/index.ts'
import { orderDigest } from '#wire/index.ts'
import { hasOpenssl, openssl } from '../../tests/openssl.ts'
import { idempotencyKey, orderKey, webhookIdOf } from './idempotency-key.ts'
import { sealBody } from './seal/seal-body.ts'

const text = z.string()
const identity = { merchant: text, partner: text }
const order = z.object({
  fulfillmentId: text,
  generation: z.int(),
  decisionId: text,
  shipTo: z.record(text, text),
  lines: z.array(z.object({ line_id: text, sku: text, qty: z.int() })),
  shipBy: text.exactOptional(),
})
const sealedBody = z.object({
  plan: z.object({
    ...identity,
    batch: text,
    revision: z.int(),
    sequence: z.int(),
    orders: z.array(order),
  }),
  text,
  content_sha256: text,
  key: text,
})
const { keys, order_keys, sealed_body, order_digest } = z
  .object({
    keys: z.array(
      z.object({
        operation: z.object({
          ...identity,
          op: z.enum(['dispatch.create', 'dispatch.recall']),
          batch: text,
          revision: z.int(),
        }),
        jcs: text,
        key: text,
        webhook_id: text,
      }),
    ),
    order_keys: z.array(
      z.object({
        order: z.object({ ...identity, fulfillment: text, generation: z.int() }),
        jcs: text,
        key: text,
      }),
    ),
    sealed_body: sealedBody,
    order_digest: z.object({
      order: z.object({
        merchant: text,
        orderId: text,
        currency: text,
        lines: z.array(z.object({ lineId: text, sku: text, qty: z.int() })),
        shipTo: z.record(text, text),
      }),
      sha256: text,
    }),
  })
  .parse(JSON.parse(readFileSync('tests/vectors/idempotency-key.json', 'utf8')))
// The same plan, of which one order has a promise: another content under the same key.
const { sealed_body: promised_body } = z
  .object({ sealed_body: sealedBody })
  .parse(JSON.parse(readFileSync('tests/vectors/sealed-promise.json', 'utf8')))

test.each(keys)('$key is the key of its operation', ({ operation, jcs, key, webhook_id }) => {
  expect(idempotencyKey(operation)).toBe(key)
  expect(canonicalJson({ v: 1, ...operation })).toBe(jcs)
  expect(webhookIdOf(key)).toBe(webhook_id)
})

test.each(order_keys)('$key is the key of its fulfillment order', (vector) => {
  expect(orderKey(vector.order)).toBe(vector.key)
  expect(canonicalJson({ v: 1, op: 'ship', ...vector.order })).toBe(vector.jcs)
})

test.each([
  ['without promises', sealed_body],
  ['with a promise', promised_body],
])('a plan %s is sealed into these bytes, in whatever order its parts come', (_, vector) => {
  const { plan } = vector
  const turned = {
    ...plan,
    orders: plan.orders
      .map((one) => Object.assign({}, one, { lines: one.lines.toReversed() }))
      .toReversed(),
  }
  for (const one of [plan, turned]) {
    const { bytes, key, contentSha256 } = sealBody(one)
    expect(bytes.toString()).toBe(vector.text)
    expect(key).toBe(vector.key)
    expect(contentSha256.toString('hex')).toBe(vector.content_sha256)
  }
})

test('a promise is content and never identity: the key is the one of the same plan without it', () => {
  expect(promised_body.key).toBe(sealed_body.key)
  expect(promised_body.content_sha256).not.toBe(sealed_body.content_sha256)
  expect(promised_body.text).toContain('"ship_by":"2026-02-10T23:59:59Z"')
})

test('the digest of an order is this one', () => {
  expect(orderDigest(order_digest.order).toString('hex')).toBe(order_digest.sha256)
})

test.skipIf(!hasOpenssl)('openssl computes the same keys and digests', () => {
  for (const { jcs, key } of [...keys, ...order_keys]) {
    const hash = openssl(['dgst', '-sha256', '-binary', 'm'], { m: jcs })
    expect(base32Of(hash?.subarray(0, 20))).toBe(key.slice(5))
  }
  const content = z.record(text, z.json()).parse(JSON.parse(sealed_body.text))
  const { schema, type, batch, orders } = content
  const bare = z
    .array(z.record(text, z.json()))
    .parse(orders)
    .map((one) => Object.fromEntries(Object.entries(one).filter(([name]) => name !== 'order_key')))
  // The members of the sealed text are sorted, so that what is left is sorted, too.
  const m = JSON.stringify({ batch, orders: bare, schema, type })
  const hash = openssl(['dgst', '-sha256', '-binary', 'm'], { m })
  expect(hash?.toString('hex')).toBe(sealed_body.content_sha256)
  expect(sha256Hex(m)).toBe(sealed_body.content_sha256)
})

// RFC 4648, digit by digit, as somebody else would write it.
function base32Of(bytes: Uint8Array = new Uint8Array()): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const digits = bits.match(/.{5}/g) ?? []
  return digits
    .map((five) => 'abcdefghijklmnopqrstuvwxyz234567'.charAt(Number.parseInt(five, 2)))
    .join('')
}

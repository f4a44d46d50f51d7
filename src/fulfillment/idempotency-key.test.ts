import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { idempotencyKey, orderKey, webhookIdOf } from './idempotency-key.ts'

const OPERATION = {
  merchant: 'main',
  partner: 'shipco',
  op: 'dispatch.create',
  batch: 'btc_1',
  revision: 1,
} as const

// Fixed for ever: a change here is a second shipment of everything that is under way.
test('the keys of HDP/1 are these', () => {
  expect(idempotencyKey(OPERATION)).toBe('hfd1-escyl23voojcqehpjwzv2adzfew26foa')
  expect(
    orderKey({ merchant: 'main', partner: 'shipco', fulfillment: 'ful_1', generation: 1 }),
  ).toBe('hfo1-t3q6knyn4nzbbsyxjkggw6xem5u67jrs')
  expect(webhookIdOf('hfd1-abc')).toBe('msg_abc')
})

test('a key is the hash that the protocol writes down, spelled out by hand', () => {
  const text =
    '{"batch":"btc_1","merchant":"main","op":"dispatch.create","partner":"shipco","revision":1,"v":1}'
  const bytes = createHash('sha256').update(text).digest().subarray(0, 20)
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const digits = (bits.match(/.{5}/g) ?? []).map((five) =>
    'abcdefghijklmnopqrstuvwxyz234567'.charAt(Number.parseInt(five, 2)),
  )
  expect(idempotencyKey(OPERATION)).toBe(`hfd1-${digits.join('')}`)
})

test('the order in which the parts are given changes nothing, any part changes the key', () => {
  const { revision, batch, op, partner, merchant } = OPERATION
  expect(idempotencyKey({ revision, batch, op, partner, merchant })).toBe(idempotencyKey(OPERATION))
  const others = [
    { ...OPERATION, merchant: 'other' },
    { ...OPERATION, partner: 'packlogic' },
    { ...OPERATION, op: 'dispatch.recall' as const },
    { ...OPERATION, batch: 'btc_2' },
    { ...OPERATION, revision: 2 },
  ]
  expect(new Set([OPERATION, ...others].map(idempotencyKey)).size).toBe(6)
})

test('what else the caller knows (attempt, clock, flags) stays out of the key', () => {
  fc.assert(
    fc.property(fc.record({ attempt: fc.nat(), nowMs: fc.nat(), flags: fc.json() }), (noise) => {
      expect(idempotencyKey({ ...OPERATION, ...noise })).toBe(idempotencyKey(OPERATION))
    }),
  )
})

test('a revision below one is impossible', () => {
  expect(() => idempotencyKey({ ...OPERATION, revision: 0 })).toThrow('invariant')
})

test('the module of the key reaches nothing but the kernel', () => {
  const source = readFileSync(new URL('idempotency-key.ts', import.meta.url), 'utf8')
  const imports = [...source.matchAll(/from '([^']+)'/g)].map((match) => match[1])
  expect(imports).toEqual(['#kernel/index.ts'])
  expect(source).not.toMatch(/Date|performance|process|random|Clock/)
})

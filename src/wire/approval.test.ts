import { describe, expect, test } from 'vitest'
import { approvalVersion, reviewKeys, signApproval, verifyApproval } from './approval.ts'
import type { ApprovalFacts } from './approval.ts'

const CURRENT = Buffer.alloc(32, 7)
const PREVIOUS = Buffer.alloc(32, 8)
const KEYS = reviewKeys(CURRENT)
const FACTS: ApprovalFacts = {
  merchant: 'main',
  orderId: 'ord_1',
  orderDigest: Buffer.alloc(32, 1),
  verdict: 'clear',
  decisionId: 'rvd_1',
  decisionNumber: 1,
  effectiveAtMs: 1_770_471_840_000,
  orderNumber: 'HF-1',
  revision: 1,
  allocations: [
    { line: 1, locationId: 'north', qty: 2 },
    { line: 1, locationId: 'south', qty: 1 },
    { line: 2, locationId: 'north', qty: 1 },
  ],
  shipByMs: 1_770_767_999_000,
  identity: '0123456789abcdefghijklmnop',
  unitPrices: [
    { line: 1, unitPriceMinor: 500 },
    { line: 2, unitPriceMinor: 0 },
  ],
}
/** As earlier builds certified it: no identity, and nothing said about prices. */
const UNNAMED: ApprovalFacts = { ...FACTS, identity: '' }
const UNPROMISED: ApprovalFacts = { ...UNNAMED, shipByMs: null }
const APPROVAL = signApproval(KEYS.signing, FACTS)
const isProven = (facts: ApprovalFacts, keys = KEYS, id = KEYS.signing.id, approval = APPROVAL) =>
  verifyApproval(keys, id, facts, approval)

const THIRD = Buffer.from('e9721ecbebf01645c7daa960cd2fddd81d74ed26ab9e8afaba022019c629a336', 'hex')
const SECOND = Buffer.from(
  '2c71ec072022c019abd3ed3c0c18778375843023d159986350da2610277826c0',
  'hex',
)
const FIRST = Buffer.from('feb49c173dcabd7c4ebe6afcfa44daaae972c943035c527835107db45d6c63e3', 'hex')
const reallocated = (name: string, value: string | number) =>
  FACTS.allocations.map((one, index) => (index === 0 ? { ...one, [name]: value } : one))

describe('an approval certificate', () => {
  test('is the pinned HMAC-SHA256, so that certificates of older releases still verify', () => {
    expect(KEYS.signing.id).toBe('rk_rjxd2cci')
    expect(APPROVAL.toString('hex')).toBe(
      'af7088bbc3e90e7193060d8e7a58c7b8e7c9c741fd941c0e1595fb6f69272841',
    )
    expect(approvalVersion(KEYS, KEYS.signing.id, FACTS, APPROVAL)).toBe(4)
  })

  test('of version 3 still verifies and is still made, for an order without identity and no other', () => {
    const version = (facts: ApprovalFacts) => approvalVersion(KEYS, KEYS.signing.id, facts, THIRD)
    expect(signApproval(KEYS.signing, UNNAMED)).toEqual(THIRD)
    expect(version({ ...UNNAMED, unitPrices: [] })).toBe(3)
    // An identity or a price that stands beside it was put there by somebody else.
    expect(version(FACTS)).toBe(undefined)
    expect(version({ ...FACTS, identity: 'none' })).toBe(undefined)
    expect(isProven(UNNAMED)).toBe(false)
  })

  test('of release 0.1.0 still verifies, for what it was made of and for nothing else', () => {
    const version = (facts: ApprovalFacts) => approvalVersion(KEYS, KEYS.signing.id, facts, FIRST)
    expect(version(UNPROMISED)).toBe(1)
    // What version 1 leaves out, and why version 2 was made.
    expect(version({ ...UNPROMISED, orderNumber: 'HF-2', revision: 2, allocations: [] })).toBe(1)
    expect(version({ ...UNPROMISED, orderId: 'ord_2' })).toBe(undefined)
    expect(version({ ...UNPROMISED, orderDigest: Buffer.alloc(32, 2) })).toBe(undefined)
  })

  test('of version 2 still verifies, for an order without a promise and for no other', () => {
    const version = (facts: ApprovalFacts) => approvalVersion(KEYS, KEYS.signing.id, facts, SECOND)
    expect(version(UNPROMISED)).toBe(2)
    expect(version({ ...UNPROMISED, revision: 2 })).toBe(undefined)
    // It says nothing of a promise: one that stands beside it was put there by somebody else.
    expect(version(UNNAMED)).toBe(undefined)
    expect(version({ ...UNNAMED, shipByMs: 0 })).toBe(undefined)
  })

  test('of an order without a promise covers that it has none', () => {
    const bare = signApproval(KEYS.signing, UNPROMISED)
    expect(approvalVersion(KEYS, KEYS.signing.id, UNPROMISED, bare)).toBe(3)
    expect(isProven(UNNAMED, KEYS, KEYS.signing.id, bare)).toBe(false)
    expect(isProven(UNPROMISED, KEYS, KEYS.signing.id, THIRD)).toBe(false)
  })

  test('covers allocations in whatever order they are read', () => {
    expect(isProven({ ...FACTS, allocations: FACTS.allocations.toReversed() })).toBe(true)
  })

  test('verifies for exactly the facts that it was made of', () => {
    expect(isProven(FACTS)).toBe(true)
    expect(isProven({ ...FACTS, orderDigest: Uint8Array.from(FACTS.orderDigest) })).toBe(true)
  })

  test.each<[keyof ApprovalFacts, Partial<ApprovalFacts>]>([
    ['merchant', { merchant: 'other' }],
    ['orderId', { orderId: 'ord_2' }],
    ['orderDigest', { orderDigest: Buffer.alloc(32, 2) }],
    ['decisionId', { decisionId: 'rvd_2' }],
    ['decisionNumber', { decisionNumber: 2 }],
    ['effectiveAtMs', { effectiveAtMs: FACTS.effectiveAtMs + 1 }],
    ['orderNumber', { orderNumber: 'HF-2' }],
    ['revision', { revision: 2 }],
    ['shipByMs', { shipByMs: null }],
    ['shipByMs', { shipByMs: FACTS.effectiveAtMs }],
    ['identity', { identity: '0123456789abcdefghijklmnoq' }],
    ['identity', { identity: 'none' }],
    ['identity', { identity: '' }],
    ['unitPrices', { unitPrices: [] }],
    ['unitPrices', { unitPrices: [FACTS.unitPrices[0] ?? { line: 1, unitPriceMinor: 1 }] }],
    ['unitPrices', { unitPrices: FACTS.unitPrices.map((one) => ({ ...one, unitPriceMinor: 1 })) }],
    [
      'unitPrices',
      { unitPrices: FACTS.unitPrices.map((one) => ({ ...one, unitPriceMinor: null })) },
    ],
    ['allocations', { allocations: [] }],
    ['allocations', { allocations: [...FACTS.allocations, ...FACTS.allocations] }],
    ['allocations', { allocations: reallocated('locationId', 'west') }],
    ['allocations', { allocations: reallocated('line', 2) }],
    ['allocations', { allocations: reallocated('qty', 1) }],
  ])('does not verify with another %s', (_, changed) => {
    expect(isProven({ ...FACTS, ...changed })).toBe(false)
  })

  test('does not verify for a verdict that is not CLEAR, whatever type-checks elsewhere', () => {
    const facts = { ...FACTS }
    Object.assign(facts, { verdict: 'hold' })
    expect(isProven(facts)).toBe(false)
  })

  test('does not verify where the end of one fact moves into the next', () => {
    const moved = { ...FACTS, merchant: 'mai', orderId: 'nord_1' }
    expect(signApproval(KEYS.signing, moved)).not.toEqual(APPROVAL)
  })

  test('verifies under the key before, which no longer signs', () => {
    const rotated = reviewKeys(PREVIOUS, CURRENT)
    expect(rotated.signing.id).not.toBe(KEYS.signing.id)
    expect(rotated.verifying.map((key) => key.id)).toEqual([rotated.signing.id, KEYS.signing.id])
    expect(isProven(FACTS, rotated)).toBe(true)
  })

  test('never verifies under a key id that is not known, nor under the id of another key', () => {
    const rotated = reviewKeys(PREVIOUS, CURRENT)
    expect(isProven(FACTS, KEYS, 'rk_unknown')).toBe(false)
    expect(isProven(FACTS, KEYS, '')).toBe(false)
    expect(isProven(FACTS, rotated, rotated.signing.id)).toBe(false)
    expect(isProven(FACTS, reviewKeys(PREVIOUS))).toBe(false)
  })

  test('names its key inside: the same secret under another id signs otherwise', () => {
    const renamed = { ...KEYS.signing, id: 'rk_renamed' }
    expect(signApproval(renamed, FACTS)).not.toEqual(APPROVAL)
  })

  test('is worth nothing cut, empty, longer or with a bit flipped', () => {
    const flipped = Buffer.from(APPROVAL)
    flipped.writeUInt8(flipped.readUInt8(31) ^ 1, 31)
    const forged = [
      flipped,
      APPROVAL.subarray(0, 31),
      Buffer.alloc(0),
      Buffer.alloc(32),
      Buffer.concat([APPROVAL, Buffer.alloc(1)]),
    ]
    for (const one of forged) expect(isProven(FACTS, KEYS, KEYS.signing.id, one)).toBe(false)
  })
})

import { describe, expect, test } from 'vitest'
import { audit } from './audit.ts'

const row = (id: string, acceptances = 1): string =>
  JSON.stringify({ fulfillment_id: id, acceptances })

describe('the auditor', () => {
  test('finds nothing in books that agree', () => {
    const found = audit(
      [`${row('a')}\n${row('b')}\n`, row('c')],
      'a,accepted\nb,accepted\nc,accepted\n',
    )
    expect(found).toMatchObject({
      accepted: 3,
      double: [],
      lost: [],
      falselyAccepted: [],
      pending: [],
    })
  })

  test('sees a fulfillment that two partners have, or one of them twice', () => {
    expect(audit([row('a'), row('a')], 'a,accepted').double).toEqual(['a'])
    expect(audit([row('a', 2)], 'a,accepted').double).toEqual(['a'])
  })

  test('sees what nobody has and nobody works on', () => {
    expect(audit([''], 'a,accepted')).toMatchObject({ lost: ['a'], falselyAccepted: ['a'] })
    expect(audit([''], 'a,forgotten').lost).toEqual(['a'])
    expect(audit([''], 'a,needs_operator\nb,unknown\nc,rejected')).toMatchObject({
      lost: [],
      workList: ['a'],
      pending: ['b'],
    })
  })

  test('sees what a partner has and our books deny', () => {
    expect(audit([row('a'), row('z')], 'a,rejected').unknownToUs.toSorted()).toEqual(['a', 'z'])
  })

  test('does not read past what it cannot understand', () => {
    expect(() => audit(['{}'], '')).toThrow('not a ledger row')
    expect(() => audit([], 'a')).toThrow('not an export row')
  })
})

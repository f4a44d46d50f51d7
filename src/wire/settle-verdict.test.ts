import { describe, expect, test } from 'vitest'
import { KEYS, record } from './record.fixture.ts'
import { settleVerdict } from './settle-verdict.ts'

const UNPROVEN = { kind: 'hold', reasons: ['approval_unproven'] }

describe('a verdict', () => {
  test('clears only by a certified CLEAR', () => {
    expect(settleVerdict(record(1), KEYS)).toEqual({ kind: 'clear' })
  })

  test('holds with the reasons it came with', () => {
    const held = record(1, { verdict: 'hold', reasons: ['value', 'country'] })
    expect(settleVerdict(held, KEYS)).toEqual({ kind: 'hold', reasons: ['value', 'country'] })
  })

  test('holds where nobody decided, even beside a certificate that would verify', () => {
    const { approval } = record(1)
    const silent = record(1, { verdict: 'unspecified', approval })
    expect(settleVerdict(silent, KEYS)).toEqual({ kind: 'hold', reasons: ['verdict_missing'] })
    const held = record(1, { verdict: 'hold', reasons: [], approval })
    expect(settleVerdict(held, KEYS)).toEqual({ kind: 'hold', reasons: ['verdict_missing'] })
  })

  test('holds where the certificate is absent, of another order or of another key', () => {
    expect(settleVerdict(record(1, { approval: new Uint8Array() }), KEYS)).toEqual(UNPROVEN)
    expect(settleVerdict(record(1, { approval: record(2).approval }), KEYS)).toEqual(UNPROVEN)
    expect(settleVerdict({ ...record(1), keyId: 'rk_unknown' }, KEYS)).toEqual(UNPROVEN)
  })

  test('holds where the certificate is of another decision on the same order', () => {
    const { approval } = record(1)
    const later = record(1, { decisionNumber: 2, decisionId: 'rvd_later', approval })
    expect(settleVerdict(later, KEYS)).toEqual(UNPROVEN)
  })
})

import { describe, expect, test } from 'vitest'
import { REHEARSAL_TIMING, STANDARD_TIMING } from './dispatch-timing.ts'
import { reasonNotToSend } from './reason-not-to-send.ts'

const facts: Parameters<typeof reasonNotToSend>[0] = {
  partner: { url: 'https://partner.example' },
  timing: STANDARD_TIMING,
  hasSecret: true,
  leaseLeftMs: 90_000,
  sendBudgetMs: 20_000,
  skewMs: 0,
}

describe('a claimed dispatch', () => {
  test('leaves where nothing speaks against it', () => {
    expect(reasonNotToSend(facts)).toBeUndefined()
    expect(reasonNotToSend({ ...facts, skewMs: 60_000 })).toBeUndefined()
  })

  test.each([
    ['secret_missing', { hasSecret: false }],
    ['lease_spent', { leaseLeftMs: 20_000 }],
    ['clock_skew', { skewMs: 60_001 }],
    ['clock_skew', { skewMs: -60_001 }],
    ['timing_refused', { timing: REHEARSAL_TIMING }],
  ])('stays where %s', (code, over) => {
    expect(reasonNotToSend({ ...facts, ...over })).toBe(code)
  })

  test.each(['http://127.0.0.1:4100', 'http://localhost:1', 'http://[::1]:1'])(
    'may go to %s under the times of a rehearsal',
    (url) => {
      expect(
        reasonNotToSend({ ...facts, timing: REHEARSAL_TIMING, partner: { url } }),
      ).toBeUndefined()
    },
  )
})

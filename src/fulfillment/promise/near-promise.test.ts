import { describe, expect, test } from 'vitest'
import { invariant, seededRandom } from '#kernel/index.ts'
import type { AttemptClass, LookupClass } from '../dispatch/classify-response.ts'
import { STANDARD_TIMING } from '../dispatch/dispatch-timing.ts'
import { nextAfterAttempt, nextAfterLookup } from '../dispatch/next-dispatch-state.ts'
import { termsOf } from '../dispatch/partner-terms.ts'
import { SHIP_BY_STOP_MS, withPromise } from './near-promise.ts'

const random = seededRandom(23)
const GRADES = ['A', 'B', 'C', 'D'] as const
function pick<T>(of: readonly T[]): T {
  const one = of[Math.floor(random() * of.length)]
  invariant(one !== undefined, 'there is something to pick from')
  return one
}

const attempts: readonly AttemptClass[] = [
  { kind: 'accepted', isReplay: false, accepted: ['ful_1'], rejected: [] },
  { kind: 'accepted', isReplay: true, accepted: [], rejected: [] },
  { kind: 'mismatch' },
  { kind: 'no_effect', retryAfterMs: 0 },
  { kind: 'no_effect', retryAfterMs: 7_200_000 },
  { kind: 'unknown', retryAfterMs: 0 },
  { kind: 'permanent' },
  { kind: 'blocked' },
]
const lookups: readonly LookupClass[] = [
  { kind: 'found', accepted: ['ful_1'], rejected: [] },
  { kind: 'other_content' },
  { kind: 'absent' },
  { kind: 'recalled' },
  { kind: 'no_answer', retryAfterMs: 0, code: 'timeout' },
]

/** Any decision that the rules of dispatch can come to, before its promise is looked at. */
function anyDecision() {
  const terms = termsOf({ grade: pick(GRADES) })
  const attempt = 1 + Math.floor(random() * 12)
  const shared = { attempt, terms, timing: STANDARD_TIMING, random }
  if (random() < 0.5) {
    const seen = { ...pick(attempts), code: 'x', status: null }
    return nextAfterAttempt(seen, { ...shared, isRetryOn: random() < 0.9 })
  }
  return nextAfterLookup(pick(lookups), {
    ...shared,
    lastStatus: null,
    lastCode: null,
    sinceFirstAttemptMs: random() * 86_400_000,
    unknownForMs: random() * 7_200_000,
    absentForMs: random() < 0.5 ? null : random() * 120_000,
  })
}

describe('a promise, over every decision of the rules', () => {
  test('that is nearer than four hours: nothing is queued again, and nothing else is changed', () => {
    const seen = new Set<string>()
    for (let round = 0; round < 4_000; round += 1) {
      const decided = anyDecision()
      const leftMs = SHIP_BY_STOP_MS - random() * 2 * SHIP_BY_STOP_MS
      const next = withPromise(decided, leftMs)
      seen.add(`${decided.state} ${next.state}`)
      const stopped = { state: 'needs_operator', delayMs: 0, stoppedBy: 'ship_by_near' }
      // What is unknown is still resolved by asking; an acceptance is one, however late.
      expect(next).toEqual(decided.state === 'queued' ? { ...decided, ...stopped } : decided)
    }
    expect(seen).toContain('queued needs_operator')
    expect(seen).toContain('unknown unknown')
    expect(seen).toContain('accepted accepted')
  })

  test('that is farther, or that there is none, changes no decision', () => {
    for (let round = 0; round < 2_000; round += 1) {
      const decided = anyDecision()
      expect(withPromise(decided, SHIP_BY_STOP_MS + 1 + random() * 1e9)).toBe(decided)
      expect(withPromise(decided, null)).toBe(decided)
    }
  })

  test('stops at the border itself, as the statement that claims does', () => {
    const queued = { state: 'queued', delayMs: 5_000 } as const
    expect(withPromise(queued, SHIP_BY_STOP_MS).state).toBe('needs_operator')
    expect(withPromise(queued, SHIP_BY_STOP_MS + 1).state).toBe('queued')
  })
})

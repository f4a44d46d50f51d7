import { expect, test } from 'vitest'
import { attemptKey } from './attempt-key.ts'

test('a timestamp key is another one a microsecond later, and a key of the batch never is', () => {
  const at = (nowMs: number, isTimestamp: boolean) => attemptKey('btc_1', { isTimestamp, nowMs })
  const nowMs = Date.UTC(2026, 1, 7, 13, 49) + 0.5
  expect(at(nowMs, true)).toMatch(/^hfd1-[a-z2-7]{32}$/)
  expect(at(nowMs, true)).not.toBe(at(nowMs + 0.002, true))
  expect(at(nowMs, false)).toBe(at(nowMs + 60_000, false))
})

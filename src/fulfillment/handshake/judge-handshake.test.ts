import { expect, test } from 'vitest'
import type { Clock } from '#kernel/index.ts'
import { idempotencyKey } from '../idempotency-key.ts'
import { judgeHandshake } from './judge-handshake.ts'
import type { HandshakeAnswer, HandshakeBooks } from './judge-handshake.ts'
import { laneSession, standingOf } from './lane-session.ts'

const owner = { merchant: 'main', partner: 'shipco' }
const keyOf = (batch: string, partner = 'shipco') =>
  idempotencyKey({ merchant: 'main', partner, op: 'dispatch.create', batch, revision: 1 })
const entry = (sequence: number, over: { key?: string } = {}) => ({
  key: keyOf(`btc_${sequence}`),
  state: 'accepted',
  content_sha256: 'ab',
  batch: `btc_${sequence}`,
  revision: 1,
  sequence,
  accepted_at: '2026-12-01T00:00:00Z',
  ...over,
})
const books = (over: Partial<HandshakeBooks> = {}): HandshakeBooks => ({
  nextSequence: 11,
  pastUpto: 0,
  hasDispatches: true,
  unknownKeys: new Set([keyOf('btc_11')]),
  ...over,
})
const kindOf = (answer: HandshakeAnswer, over?: Partial<HandshakeBooks>) =>
  judgeHandshake(owner, answer, books(over)).kind
const lists = (entries: readonly ReturnType<typeof entry>[], seen?: number): HandshakeAnswer => ({
  kind: 'lists',
  entries,
  ...(seen === undefined ? {} : { seen }),
})

test('a partner that shows nothing beyond our books opens its lane', () => {
  expect(kindOf(lists([]))).toBe('open')
  expect(kindOf(lists([entry(9), entry(10)], 10))).toBe('open')
  expect(kindOf({ kind: 'no_lists', seen: 10 })).toBe('open')
})

test('an entry that is not in our books shows that they are older', () => {
  expect(kindOf(lists([entry(11)]))).toBe('older')
  // One that our books have and say was never sent is as good.
  expect(kindOf(lists([entry(11)]), { nextSequence: 12 })).toBe('older')
})

test('a list that goes on beyond what was read opens nothing, and can still show that our books are older', () => {
  const cut = (entries: readonly ReturnType<typeof entry>[]): HandshakeAnswer => ({
    kind: 'lists',
    entries,
    isCut: true,
  })
  expect(kindOf(cut([entry(9), entry(10)]))).toBe('no_answer')
  expect(kindOf(cut([entry(11)]))).toBe('older')
})

test('an entry counts only under the key of our merchant, this partner, its batch and its revision', () => {
  const other = keyOf('btc_11', 'packlogic')
  const unknownKeys = new Set([other, keyOf('btc_12')])
  expect(kindOf(lists([entry(11, { key: other })]), { unknownKeys })).toBe('open')
  expect(kindOf(lists([entry(11, { key: keyOf('btc_12') })]), { unknownKeys })).toBe('open')
})

test('a header alone shuts the lane; a probe, whose number is 0, shows nothing', () => {
  expect(kindOf(lists([], 11))).toBe('ahead')
  expect(kindOf({ kind: 'no_lists', seen: 11 })).toBe('ahead')
  expect(kindOf(lists([], 0), { nextSequence: 1, hasDispatches: false })).toBe('open')
})

test('a past at a partner whose lane was never opened here is for a person, not evidence', () => {
  const never = { nextSequence: 1, hasDispatches: false }
  expect(kindOf(lists([entry(11)]), never)).toBe('foreign_past')
  expect(kindOf({ kind: 'no_lists', seen: 3 }, never)).toBe('foreign_past')
  expect(kindOf(lists([entry(11)], 11), { ...never, nextSequence: 12, pastUpto: 11 })).toBe('open')
})

test('no answer, or one without list and header, opens nothing by itself', () => {
  expect(kindOf({ kind: 'no_answer', code: 'timeout' })).toBe('no_answer')
  expect(kindOf({ kind: 'no_lists' })).toBe('unsaid')
})

const here = { system: '1', timeline: 1, wal: 100 }
test.each([
  [{ ...here, wal: 100 }, 'known'],
  [{ ...here, wal: 99 }, 'behind'],
  [{ ...here, timeline: 2, wal: 120 }, 'elsewhere'],
  [{ ...here, timeline: 2, wal: 99 }, 'behind'],
  [{ ...here, system: '2', wal: 900 }, 'elsewhere'],
] as const)('a database at %o is %s', (found, standing) => {
  expect(standingOf(here, found)).toBe(standing)
})

test('a session ends when its process stood still beyond a lease, by either clock, or its database is another', () => {
  const time = { monotonicMs: 0, nowMs: 0 }
  const clock: Clock = { monotonicMs: () => time.monotonicMs, nowMs: () => time.nowMs }
  const session = laneSession(clock, 1_000)
  const first = session.gate().session
  time.monotonicMs = 1_000
  expect(session.touch()).toBe(false)
  // A suspended machine: its monotonic clock stood still with it.
  time.nowMs = 5_000
  expect(session.touch()).toBe(true)
  const second = session.gate()
  expect(second.session).not.toBe(first)
  session.note(second, { ...here, inserted: 120 })
  const third = session.gate()
  expect(third).toEqual({ session: second.session, wal: 100 })
  // An answer to an older question is no step back.
  expect(session.note(second, { ...here, wal: 50, inserted: 60 })).toBe('known')
  expect(session.note(third, { ...here, wal: 50, inserted: 60 })).toBe('behind')
  expect(session.gate().session).not.toBe(second.session)
})

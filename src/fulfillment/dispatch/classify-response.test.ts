import { describe, expect, test } from 'vitest'
import { seededRandom } from '#kernel/index.ts'
import type { OutboundResult } from '#platform/outbound/index.ts'
import { classifyLookup, classifyResponse, retryAfter } from './classify-response.ts'
import { STANDARD_TIMING } from './dispatch-timing.ts'
import { nextAfterAttempt, nextAfterLookup, withSequence } from './next-dispatch-state.ts'
import type { LookupFacts } from './next-dispatch-state.ts'
import { termsOf } from './partner-terms.ts'
import type { PartnerGrade } from '#partners/index.ts'
import { lookupDelayMs, retryDelayMs } from './retry-delay.ts'

const SEALED = { key: 'hfd1-k', contentSha256: 'ab', fulfillmentIds: ['ful_1', 'ful_2'] }
const ECHO = { key: 'hfd1-k', content_sha256: 'ab', accepted: ['ful_2', 'ful_1'], rejected: [] }
const reply = (
  status: number,
  body: unknown = {},
  headers: Record<string, string> = {},
): OutboundResult => ({
  kind: 'reply',
  status,
  headers,
  body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  isTruncated: false,
})
const kindOf = (result: OutboundResult) => classifyResponse(result, SEALED, 0).kind

describe('an answer to a POST', () => {
  test.each([200, 201, 202])('%i with the whole echo is accepted', (status) => {
    expect(kindOf(reply(status, ECHO))).toBe('accepted')
  })

  test('a replay is accepted and said to be one', () => {
    const headers = { 'idempotent-replayed': 'true' }
    expect(classifyResponse(reply(200, ECHO, headers), SEALED, 0)).toMatchObject({ isReplay: true })
  })

  test.each([
    ['another digest', { ...ECHO, content_sha256: 'cd' }],
    ['another key', { ...ECHO, key: 'hfd1-other' }],
    ['an order missing', { ...ECHO, accepted: ['ful_1'] }],
    ['an order too many', { ...ECHO, accepted: ['ful_1', 'ful_2', 'ful_3'] }],
    ['an order twice', { ...ECHO, accepted: ['ful_1', 'ful_1'] }],
    ['no JSON', '<html>Welcome to the portal</html>'],
    [
      'a key twice',
      '{"key":"hfd1-k","key":"hfd1-k","content_sha256":"ab","accepted":[],"rejected":[]}',
    ],
  ])('201 with %s is a mismatch, not a success', (_, body) => {
    expect(kindOf(reply(201, body))).toBe('mismatch')
  })

  test('204 and a cut body are mismatches', () => {
    expect(kindOf(reply(204))).toBe('mismatch')
    const cut = { ...reply(201, ECHO), isTruncated: true }
    expect(kindOf(cut)).toBe('mismatch')
  })

  test('orders that the partner rejects are named', () => {
    const body = { ...ECHO, accepted: ['ful_1'], rejected: [{ id: 'ful_2', code: 'no_stock' }] }
    expect(classifyResponse(reply(201, body), SEALED, 0)).toMatchObject({
      accepted: ['ful_1'],
      rejected: [{ fulfillmentId: 'ful_2', code: 'no_stock', isRetriable: false }],
    })
  })

  test.each([
    [408, 'unknown'],
    [409, 'unknown'],
    [422, 'unknown'],
    [500, 'unknown'],
    [502, 'unknown'],
    [503, 'unknown'],
    [504, 'unknown'],
    [599, 'unknown'],
    [425, 'no_effect'],
    [429, 'no_effect'],
    [401, 'blocked'],
    [403, 'blocked'],
    [410, 'blocked'],
    [301, 'permanent'],
    [302, 'permanent'],
    [303, 'permanent'],
    [304, 'permanent'],
    [307, 'permanent'],
    [308, 'permanent'],
    [400, 'unknown'],
    [404, 'permanent'],
    [405, 'permanent'],
    [411, 'permanent'],
    [413, 'permanent'],
    [415, 'permanent'],
  ])('%i is %s', (status, kind) => {
    expect(kindOf(reply(status))).toBe(kind)
  })

  test('what the connector refused had no effect, what broke later is unknown', () => {
    expect(kindOf({ kind: 'no_byte_written', code: 'ECONNREFUSED' })).toBe('no_effect')
    expect(kindOf({ kind: 'after_byte_written', code: 'UND_ERR_SOCKET' })).toBe('unknown')
  })

  test('codes of the protocol are heard: a stale epoch stops the lane, a recalled key is final', () => {
    expect(kindOf(reply(409, { code: 'stale_epoch' }))).toBe('blocked')
    expect(kindOf(reply(410, { code: 'recalled' }))).toBe('permanent')
    expect(kindOf(reply(400, { code: 'content_mismatch' }))).toBe('permanent')
    expect(kindOf(reply(503, {}, { 'retry-after': '5' }))).toBe('no_effect')
  })

  test('Retry-After is seconds or a date', () => {
    expect(retryAfter('120', 0)).toBe(120_000)
    expect(retryAfter('Thu, 01 Jan 1970 00:01:00 GMT', 0)).toBe(60_000)
    expect(retryAfter('soon', 0)).toBe(0)
  })
})

describe('a look-up', () => {
  const classOf = (result: OutboundResult) => classifyLookup(result, SEALED, 0).kind

  test('proves acceptance only by the whole echo', () => {
    expect(classOf(reply(200, ECHO))).toBe('found')
    expect(classOf(reply(200, { ...ECHO, content_sha256: 'cd' }))).toBe('other_content')
    expect(classOf(reply(200, '<html>'))).toBe('no_answer')
  })

  test.each([
    [404, 'absent'],
    [410, 'recalled'],
    [401, 'no_answer'],
    [500, 'no_answer'],
    [302, 'no_answer'],
  ])('%i is %s', (status, kind) => {
    expect(classOf(reply(status))).toBe(kind)
  })
})

describe('the next state', () => {
  const random = seededRandom(1)
  const timing = STANDARD_TIMING
  const terms = (grade: PartnerGrade) =>
    termsOf({ grade, keyTtlS: null, processingDelayS: 0, lookupLagMs: null })
  const absent = ({ grade = 'A', ...over }: Partial<LookupFacts> & { grade?: PartnerGrade }) =>
    nextAfterLookup(
      { kind: 'absent' },
      {
        attempt: 1,
        lastStatus: 500,
        lastCode: 'http_500',
        terms: terms(grade),
        timing,
        sinceFirstAttemptMs: 1_000,
        unknownForMs: 1_000,
        absentForMs: null,
        random,
        ...over,
      },
    )

  test('absence means another try only where the partner remembers keys', () => {
    const day = 86_400_000
    expect(absent({})).toEqual({ state: 'queued', delayMs: 0 })
    expect(absent({ grade: 'A', sinceFirstAttemptMs: 30 * day }).state).toBe('queued')
    expect(absent({ grade: 'B' }).state).toBe('queued')
    expect(absent({ grade: 'B', sinceFirstAttemptMs: day }).state).toBe('needs_operator')
    expect(absent({ grade: 'D' }).state).toBe('needs_operator')
    expect(absent({ attempt: 12 }).state).toBe('needs_operator')
  })

  test('absence counts for class C only after the settle window, twice, a minute apart', () => {
    const settleMs = timing.settleMs + timing.sendBudgetMs + timing.leaseMs
    const early = absent({ grade: 'C', unknownForMs: settleMs - 1 })
    expect(early).toMatchObject({ state: 'unknown', delayMs: 1 })
    expect(early.isAbsent).toBeUndefined()
    const first = absent({ grade: 'C', unknownForMs: settleMs })
    expect(first).toEqual({ state: 'unknown', delayMs: 60_000, isAbsent: true })
    const soon = absent({ grade: 'C', unknownForMs: settleMs, absentForMs: 59_999 })
    expect(soon).toEqual({ state: 'unknown', delayMs: 1, isAbsent: true })
    const second = absent({ grade: 'C', unknownForMs: settleMs, absentForMs: 60_000 })
    expect(second.state).toBe('queued')
    const slow = { ...terms('C'), processingDelayMs: 3_600_000 }
    expect(absent({ terms: slow, unknownForMs: settleMs }).isAbsent).toBeUndefined()
  })

  test('a stored failure that is replayed for the key is never sent again by itself', () => {
    expect(absent({ lastStatus: 500, lastCode: 'replayed_failure' }).state).toBe('needs_operator')
  })

  test('a partner whose ledger went back gets nothing again before a person looked', () => {
    const queued = { state: 'queued', delayMs: 0 } as const
    expect(withSequence(queued, { seen: 6, accepted: 7 })).toEqual({
      state: 'needs_operator',
      delayMs: 0,
      pauseReason: 'sequence_regressed',
    })
    expect(withSequence(queued, { seen: 7, accepted: 7 })).toEqual(queued)
    expect(withSequence(queued, { seen: undefined, accepted: 7 })).toEqual(queued)
    const accepted = { state: 'accepted', delayMs: 0 } as const
    expect(withSequence(accepted, { seen: 0, accepted: 1 })).toEqual({
      ...accepted,
      pauseReason: 'sequence_regressed',
    })
  })

  test('absence after an objection to the content is quarantined', () => {
    expect(absent({ lastStatus: 422 }).state).toBe('quarantined')
    expect(absent({ lastStatus: 409, lastCode: 'order_key_live' }).state).toBe('quarantined')
  })

  test('a dispatch of which every order was rejected is rejected', () => {
    const seen = {
      kind: 'accepted',
      isReplay: false,
      accepted: [],
      rejected: [],
      code: 'x',
      status: 201,
    } as const
    const facts = { attempt: 1, isRetryOn: true, terms: terms('A'), timing, random } as const
    expect(nextAfterAttempt(seen, facts).state).toBe('rejected')
  })

  test('retries follow the schedule within a quarter, and Retry-After up to six hours', () => {
    const schedule = [5, 30, 120, 600, 1_800, 7_200, 21_600, 43_200, 43_200]
    for (const [index, seconds] of schedule.entries()) {
      const delay = retryDelayMs(index + 1, random, timing) / 1_000
      expect(delay).toBeGreaterThanOrEqual(seconds * 0.75)
      expect(delay).toBeLessThanOrEqual(seconds * 1.25)
    }
    expect(retryDelayMs(1, random, timing, 3_600_000)).toBe(3_600_000)
    expect(retryDelayMs(1, random, timing, 86_400_000)).toBe(21_600_000)
    expect([0, 60_000, 86_400_000].map((age) => lookupDelayMs(age, timing))).toEqual([
      1_000, 30_000, 600_000,
    ])
  })
})

import { expect, test } from 'vitest'
import { INITIAL_PROMISE } from './promise/promise.ts'
import { INITIAL_RULES } from './rule-set.ts'
import { readRules, rulesReader } from './stored-rules.ts'

const rulesText = (rules: object, more: object = {}) =>
  JSON.stringify({ version: 3, rules, ...more })
const promiseText = (changes: object = {}) =>
  JSON.stringify({ version: 2, handling_days: 4, working_days: ['mon', 'tue'], ...changes })
const without = (member: string) =>
  Object.fromEntries(Object.entries(INITIAL_RULES).filter(([name]) => name !== member))

test('rules and a promise policy of this build are read', () => {
  expect(readRules({ rules: rulesText(INITIAL_RULES), promise: promiseText() })).toEqual({
    rules: INITIAL_RULES,
    promise: { version: 2, handlingDays: 4, workingDays: ['mon', 'tue'] },
    unread: [],
  })
  const first = readRules({ rules: rulesText(INITIAL_RULES), promise: null })
  expect(first).toEqual({ rules: INITIAL_RULES, promise: INITIAL_PROMISE, unread: [] })
})

test('a missing limit, one that is no whole number, and a member of a newer build are unread', () => {
  const bad = [
    ...Object.keys(INITIAL_RULES).map((member) => rulesText(without(member))),
    ...[null, '50000', 1.5, -1, 1e300, true].map((valueMinor) =>
      rulesText({ ...INITIAL_RULES, valueMinor }),
    ),
    ...[null, '', 'gb', 'GBR'].map((homeCountry) => rulesText({ ...INITIAL_RULES, homeCountry })),
    rulesText({ ...INITIAL_RULES, weightGrams: 1 }),
    rulesText(INITIAL_RULES, { conditions: [] }),
    rulesText(INITIAL_RULES).replace('"valueMinor"', '"__proto__":{},"valueMinor"'),
    'null',
    '[]',
    '7',
    '"x"',
    '{}',
  ]
  for (const rules of bad) {
    const read = readRules({ rules, promise: null })
    expect(read.rules, `rules ${rules}`).toBe('unread')
    expect(read.unread, `rules ${rules}`).toHaveLength(1)
    expect(read.unread[0]?.subject, `rules ${rules}`).toMatch(/^rule_set:/)
  }
  expect(readRules({ rules: rulesText(without('guestValueMinor')), promise: null })).toMatchObject({
    unread: [{ subject: 'rule_set:3', detail: expect.stringContaining('guestValueMinor') }],
  })
})

test('a promise policy that is unread holds too, and the policy that is built in stands in for it', () => {
  const bad = [
    promiseText({ handling_days: 366 }),
    promiseText({ handling_days: null }),
    promiseText({ working_days: [] }),
    promiseText({ working_days: ['mon', 'mon'] }),
    promiseText({ working_days: ['holiday'] }),
    promiseText({ cutoff: '14:00' }),
  ]
  for (const promise of bad) {
    expect(
      readRules({ rules: rulesText(INITIAL_RULES), promise }),
      `policy ${promise}`,
    ).toMatchObject({
      rules: 'unread',
      promise: INITIAL_PROMISE,
      unread: [{ subject: 'promise_policy:2' }],
    })
  }
})

test('the same text is parsed once, and a change of either part is read', () => {
  const read = rulesReader()
  const stored = { rules: rulesText(INITIAL_RULES), promise: null }
  const first = read(stored)
  expect(read({ ...stored })).toBe(first)
  expect(read({ ...stored, promise: promiseText() }).promise.version).toBe(2)
  expect(read({ ...stored, rules: rulesText(without('valueMinor')) }).rules).toBe('unread')
  expect(read(stored).rules).toEqual(INITIAL_RULES)
})

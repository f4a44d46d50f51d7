import { expect, test } from 'vitest'
import { review } from './review.ts'
import type { Circumstances, ReviewedOrder, ReviewRules } from './review.ts'

const RULES: ReviewRules = {
  valueMinor: 50_000,
  lineQuantity: 200,
  guestValueMinor: 25_000,
  homeCountry: 'GB',
}
const ORDER: ReviewedOrder = { goodsMinor: 100, quantityMax: 1, customer: 'c-1', country: 'GB' }
const CALM: Circumstances = { submittedHold: false, heldBefore: false, approval: 'on' }
const NOTHING = [undefined, null, Number.NaN, Number.POSITIVE_INFINITY, '', '50000', true, {}, []]

/** What a stored or remembered value may turn out to be at run time, whatever the types say. */
const damaged = <T>(value: T, member: keyof T, into: unknown): T => ({ ...value, [member]: into })

test('an order that no rule holds is cleared, and each limit is inclusive', () => {
  expect(review(ORDER, RULES, CALM)).toEqual({ kind: 'clear' })
  const reasonsOf = (changes: Partial<ReviewedOrder>) => {
    const verdict = review({ ...ORDER, ...changes }, RULES, CALM)
    return verdict.kind === 'hold' ? verdict.reasons : []
  }
  expect(reasonsOf({ goodsMinor: 49_999 })).toEqual([])
  expect(reasonsOf({ goodsMinor: 50_000 })).toEqual(['value'])
  expect(reasonsOf({ quantityMax: 200 })).toEqual(['quantity'])
  expect(reasonsOf({ customer: null, goodsMinor: 24_999 })).toEqual([])
  expect(reasonsOf({ customer: null, goodsMinor: 25_000 })).toEqual(['guest'])
  expect(reasonsOf({ country: null })).toEqual(['country'])
})

test('a limit that is missing or no whole number holds, for each limit and a guest', () => {
  const guest = { ...ORDER, customer: null }
  for (const member of ['valueMinor', 'lineQuantity', 'guestValueMinor', 'homeCountry'] as const) {
    for (const into of NOTHING) {
      const verdict = review(guest, damaged(RULES, member, into), CALM)
      expect(verdict.kind, `${member} ${JSON.stringify(into)}`).toBe('hold')
    }
  }
})

test('a home country that is nothing is not the country of an order that has none', () => {
  for (const nothing of [undefined, null, '']) {
    const nowhere = damaged(ORDER, 'country', nothing)
    expect(review(nowhere, damaged(RULES, 'homeCountry', nothing), CALM).kind).toBe('hold')
  }
})

test('an order with a member that is missing or no whole number is held', () => {
  for (const member of ['goodsMinor', 'quantityMax', 'country'] as const) {
    for (const into of NOTHING)
      expect(review(damaged(ORDER, member, into), RULES, CALM).kind, `member ${member}`).toBe(
        'hold',
      )
  }
  // Whoever is not named is a guest.
  const dear = { ...ORDER, goodsMinor: 30_000 }
  expect(review(damaged(dear, 'customer', undefined), RULES, CALM).kind).toBe('hold')
})

test('circumstances that are absent or not what their type says hold', () => {
  for (const member of ['submittedHold', 'heldBefore', 'approval'] as const) {
    for (const into of [...NOTHING, 'toString', '__proto__'])
      expect(review(ORDER, RULES, damaged(CALM, member, into)).kind, `member ${member}`).toBe(
        'hold',
      )
  }
})

test('what was not read is the reason only where no person is needed anyway', () => {
  const reasonsOf = (
    rules: ReviewRules | 'unread',
    changes: Partial<Circumstances>,
    order = ORDER,
  ) => {
    const verdict = review(order, rules, { ...CALM, ...changes })
    return verdict.kind === 'hold' ? verdict.reasons : []
  }
  const dear = { ...ORDER, goodsMinor: 60_000 }
  expect(reasonsOf('unread', {})).toEqual(['rules_unread'])
  expect(reasonsOf(RULES, { approval: 'flags_unread' })).toEqual(['flags_unread'])
  expect(reasonsOf(RULES, { approval: 'rules_unread' })).toEqual(['rules_unread'])
  expect(reasonsOf('unread', { approval: 'rules_unread' })).toEqual(['rules_unread'])
  expect(reasonsOf('unread', { approval: 'flags_unread' })).toEqual([
    'rules_unread',
    'flags_unread',
  ])
  expect(reasonsOf(RULES, { approval: 'flags_unread' }, dear)).toEqual(['value'])
  // A switch that is known to be off, and a hold from outside, keep the order for a person.
  expect(reasonsOf('unread', { approval: 'off' })).toEqual([
    'rules_unread',
    'auto_approval_disabled',
  ])
  expect(reasonsOf('unread', { submittedHold: true, approval: 'flags_unread' })).toEqual([
    'rules_unread',
    'submitted_hold',
  ])
})

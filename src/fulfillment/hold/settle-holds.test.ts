import { expect, test } from 'vitest'
import { settleHolds } from './settle-holds.ts'
import type { HeldFacts, StoredVerdict } from './settle-holds.ts'

const HELD: HeldFacts = {
  id: 'ful_1',
  state: 'held',
  revision: 2,
  clearedBy: null,
  hasReviewHold: true,
  hasOperatorHold: false,
}
const OPEN: HeldFacts = { ...HELD, state: 'open', clearedBy: 'rvd_1', hasReviewHold: false }
const CLEAR: StoredVerdict = {
  id: 'rvd_1',
  verdict: 'clear',
  reasons: [],
  revision: 2,
  effectiveAt: new Date(0),
}
const HOLD: StoredVerdict = { ...CLEAR, id: 'rvd_2', verdict: 'hold', reasons: ['value'] }

test('only a CLEAR of this very revision opens', () => {
  expect(settleHolds(HELD, CLEAR)).toEqual({ kind: 'open', decision: CLEAR })
  expect(settleHolds(HELD, { ...CLEAR, revision: 1 })).toEqual({ kind: 'unchanged' })
  const bare = { ...HELD, hasReviewHold: false }
  expect(settleHolds(bare, { ...CLEAR, revision: 1 })).toMatchObject({
    kind: 'hold',
    placeReview: ['verdict_missing'],
  })
  expect(settleHolds(bare, undefined)).toMatchObject({ placeReview: ['verdict_missing'] })
})

test('a HOLD closes what was open, with its reasons', () => {
  expect(settleHolds(OPEN, HOLD)).toEqual({
    kind: 'hold',
    placeReview: ['value'],
    isReviewOver: false,
  })
})

test('an operator hold keeps a cleared order held, without its review hold', () => {
  const both = { ...HELD, hasOperatorHold: true }
  expect(settleHolds(both, CLEAR)).toEqual({ kind: 'hold', isReviewOver: true })
  const operatorOnly = { ...both, hasReviewHold: false }
  expect(settleHolds(operatorOnly, CLEAR)).toEqual({ kind: 'unchanged' })
})

test('the same decision again changes nothing, a newer CLEAR takes its place', () => {
  expect(settleHolds(OPEN, CLEAR)).toEqual({ kind: 'unchanged' })
  expect(settleHolds(HELD, HOLD)).toEqual({ kind: 'unchanged' })
  const newer = { ...CLEAR, id: 'rvd_3' }
  expect(settleHolds(OPEN, newer)).toEqual({ kind: 'open', decision: newer })
})

import { expect, test } from 'vitest'
import type { ManifestEntry } from '#fulfillment/index.ts'
import { compareManifest } from './compare-manifest.ts'
import type { OurDispatch } from './compare-manifest.ts'

const own = (over: Partial<OurDispatch> = {}): OurDispatch => ({
  id: 'dsp_1',
  key: 'hfd1-a',
  batch_id: 'btc_1',
  revision: 1,
  sequence: 1,
  content_sha256: 'ab',
  state: 'accepted',
  is_settled_before: true,
  is_claimed: true,
  orders: 2,
  shipped: 0,
  ...over,
})
const entry = (over: Partial<ManifestEntry> = {}): ManifestEntry => ({
  key: 'hfd1-a',
  state: 'accepted',
  content_sha256: 'ab',
  batch: 'btc_1',
  revision: 1,
  sequence: 1,
  accepted_at: '2026-11-23T10:00:00Z',
  ...over,
})
const kindsOf = (ours: readonly OurDispatch[], theirs: readonly ManifestEntry[]) =>
  compareManifest(ours, theirs).differences.map((one) => one.kind)

test('what both have accepted agrees', () => {
  expect(compareManifest([own()], [entry()])).toMatchObject({ matched: 1, differences: [] })
})

test('ours alone is lost, theirs alone is a phantom', () => {
  expect(kindsOf([own()], [])).toEqual(['lost'])
  expect(compareManifest([], [entry()])).toMatchObject({
    differences: [{ kind: 'phantom', subject: 'phantom:hfd1-a' }],
    phantoms: [{ key: 'hfd1-a' }],
  })
})

test('a phantom that is written down differs until it is settled, and is not taken back again', () => {
  const phantom = { differences: [{ kind: 'phantom' }], phantoms: [] }
  expect(compareManifest([], [entry()], new Map([['hfd1-a', 'open']]))).toMatchObject(phantom)
  expect(compareManifest([], [entry()], new Map([['hfd1-a', 'settled']]))).toMatchObject({
    matched: 1,
    differences: [],
    phantoms: [],
  })
})

test('what theirs have and ours never sent shows books of an earlier time', () => {
  const sent = compareManifest([own({ state: 'queued' })], [entry()])
  expect(sent.unclaimed).toEqual([])
  const unsent = compareManifest([own({ state: 'queued', is_claimed: false })], [entry()])
  expect(unsent.unclaimed).toMatchObject([{ key: 'hfd1-a' }])
})

test('what was accepted after the question is not lost', () => {
  expect(kindsOf([own({ is_settled_before: false })], [])).toEqual([])
})

test.each(['queued', 'sending', 'unknown'])('%s is on its way, on either side', (state) => {
  expect(compareManifest([own({ state })], [])).toMatchObject({ pending: 1, differences: [] })
  expect(compareManifest([own({ state })], [entry()])).toMatchObject({
    pending: 1,
    differences: [],
  })
})

test.each([
  [{}, { content_sha256: 'cd' }, 'content'],
  [{}, { batch: 'btc_2' }, 'content'],
  [{}, { sequence: 2 }, 'content'],
  [{}, { state: 'recalled' }, 'recalled'],
  [{ state: 'recalled' }, {}, 'recalled'],
  [{ state: 'rejected' }, {}, 'refused'],
  [{ state: 'quarantined' }, {}, 'refused'],
  [{}, { state: 'shipped' }, 'shipment'],
  [{ shipped: 1 }, { state: 'shipped' }, 'shipment'],
  [{ shipped: 1 }, { state: 'in_progress' }, 'shipment'],
] as const)('%o of ours and %o of theirs differ in %s', (ours, theirs, kind) => {
  expect(kindsOf([own(ours)], [entry(theirs)])).toEqual([kind])
})

test.each([
  [{ state: 'recalled' }, { state: 'recalled' }],
  [{ state: 'rejected' }, { state: 'recalled' }],
  [{}, { state: 'recall_partial' }],
  [{ shipped: 2 }, { state: 'shipped' }],
] as const)('%o of ours and %o of theirs agree', (ours, theirs) => {
  expect(kindsOf([own(ours)], [entry(theirs)])).toEqual([])
})

test('a difference shows what differs on either side, not two states that are alike', () => {
  const shown = (ours: Partial<OurDispatch>, theirs: Partial<ManifestEntry>) =>
    compareManifest([own(ours)], [entry(theirs)]).differences.map((one) => [one.ours, one.theirs])
  expect(shown({}, { sequence: 7 })).toEqual([['accepted: sequence 1', 'accepted: sequence 7']])
  expect(shown({}, { content_sha256: 'cd'.repeat(32), revision: 2 })).toEqual([
    ['accepted: content ab, revision 1', 'accepted: content cdcdcdcdcdcd, revision 2'],
  ])
  expect(shown({ shipped: 1 }, { state: 'shipped' })).toEqual([
    ['accepted, 1 of 2 shipped', 'shipped'],
  ])
})

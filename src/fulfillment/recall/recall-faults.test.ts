import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { findPartner } from '#partners/index.ts'
import { dispatchRequest } from '../dispatch/dispatch-request.ts'
import { laneDeps } from '../dispatch/lane-deps.ts'
import { resolveDispatch } from '../dispatch/resolve-dispatch.ts'
import { record } from '../warehouse.fixture.ts'
import { planRecall } from './plan-recall.ts'
import { openRecalls, QUICK } from './recall.fixture.ts'
import type { Recalls } from './recall.fixture.ts'
import { resolveRecall } from './resolve-recall.ts'
import { takeRecalls } from './send-recall.ts'

let house: Recalls
let count = 0
let order = ''
beforeAll(async () => {
  house = await openRecalls({ isDeaf: true })
})
afterAll(() => house.stop())
beforeEach(async () => {
  count += 1
  order = `ord_${count}`
  await house.regrade('A')
  await house.handOver(record(order))
})
afterEach(async () => {
  await house.pause()
  await house.faults([])
})

const PATH = '/holdfast/v1/dispatches'
const accept = async () => {
  await house.start()
  await house.reaches(order, { state: 'accepted' })
  const [row] = await house.storyOf(order)
  return { recallPath: `${PATH}/${String(row?.['key'])}/recall` }
}
const sound = async () => expect(await house.violations()).toEqual([])

test.each([
  ['the request is lost', 'lose_request', ['unknown', 'answered']],
  ['the answer is lost', 'lose_answer', ['unknown', 'answered']],
  ['the answer is cut', 'truncate_answer', ['unknown', 'answered']],
  ['the partner answers 500 after it acted', '500_after_commit', ['unknown', 'answered']],
])('%s: the same recall is asked again, and has one effect', async (_, fault, classes) => {
  const { recallPath } = await accept()
  await house.faults([{ match: { path: recallPath }, fault, times: 1 }])
  await house.recall(order)
  await house.reaches(order, { state: 'recalled', claim: 'recalled', order: 'held' })
  expect(await house.recallsOf(order)).toMatchObject([{ state: 'answered', revision: 1, classes }])
  expect(await house.judge(order)).toMatchObject([{ recalled_at: expect.any(String) }])
  await sound()
})

test('the process dies between intent and answer: another asks the same again', async () => {
  await accept()
  await house.pause()
  await house.recall(order)
  const deps = laneDeps({ ...house.deps, timing: QUICK })
  const partner = await findPartner(house.context.database, 'main', 'shipco')
  if (!partner) throw new Error('there is a partner')
  expect(await planRecall(deps, partner)).toBe(true)
  expect(await takeRecalls(deps, partner, 1)).toHaveLength(1)
  // The claimant is gone with its lease; nobody ever says what it did.
  expect(await house.recallsOf(order)).toMatchObject([{ state: 'sending', attempt: 1 }])
  await house.start()
  await house.reaches(order, { state: 'recalled', claim: 'recalled' })
  expect(await house.recallsOf(order)).toMatchObject([
    { state: 'answered', classes: ['unknown', 'answered'] },
  ])
  await sound()
})

test('a dispatch of unknown outcome is recalled by a tombstone, and its ghost is refused', async () => {
  await house.faults([
    { match: { method: 'POST', path: PATH }, fault: 'lose_request' },
    // Look-ups alone: the list that the handshake reads is answered.
    { match: { method: 'GET', path: `${PATH}/*` }, fault: 'status', value: 503 },
  ])
  await house.start()
  await house.reaches(order, { state: 'unknown' })
  await house.recall(order)
  await house.reaches(order, { state: 'recalled', claim: 'recalled', order: 'held' })
  expect(await house.recallsOf(order)).toMatchObject([{ last_code: 'tombstone' }])
  // What was lost on its way arrives after all: the very bytes, rightly signed.
  await house.faults([])
  const [late] = await house.query(
    `select d.key, b.bytes from fulfillment.dispatch d
       join fulfillment.sealed_body b on b.dispatch_id = d.id
      where d.id in (select dispatch_id from fulfillment.line_claim where order_id = '${order}')`,
  )
  const bytes = late?.['bytes']
  const ghost = await house.deps.outbound.send(
    dispatchRequest({
      partner: { url: house.url, allowPrivate: true },
      secrets: [house.secrets.dispatch],
      key: String(late?.['key']),
      bytes: Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0),
      fenceEpoch: 1,
      attempt: 1,
      timestampS: Math.floor(Date.now() / 1_000),
    }),
  )
  expect(ghost).toMatchObject({ kind: 'reply', status: 410 })
  expect(await house.judge(order)).toEqual([])
  await sound()
})

test('a dispatch that the partner took, and of which we do not know, comes back all the same', async () => {
  await house.faults([
    { match: { method: 'POST', path: PATH }, fault: 'lose_answer' },
    // Look-ups alone: the list that the handshake reads is answered.
    { match: { method: 'GET', path: `${PATH}/*` }, fault: 'status', value: 503 },
  ])
  await house.start()
  await house.reaches(order, { state: 'unknown' })
  await house.recall(order)
  await house.reaches(order, { state: 'recalled', claim: 'recalled' })
  expect(await house.judge(order)).toMatchObject([{ recalled_at: expect.any(String) }])
  await sound()
})

test('below grade B a person asks, and the recall waits for the word', async () => {
  await accept()
  await house.regrade('C')
  await house.recall(order)
  await vi.waitFor(async () =>
    expect(await house.recallsOf(order)).toMatchObject([
      { state: 'needs_operator', attempt: 0, last_code: 'grade_c_by_hand' },
    ]),
  )
  expect(await house.judge(order)).toMatchObject([{ recalled_at: null }])
  const [row] = await house.query(
    `select id from fulfillment.recall where state = 'needs_operator'`,
  )
  const answer = { recall: String(row?.['id']), actor: 'ann', note: 'called them' } as const
  orThrow(await resolveRecall(house.context, { ...answer, outcome: 'too_late' }))
  await house.reaches(order, { state: 'too_late', claim: 'live', wish: 'too_late' })
  expect(await resolveRecall(house.context, { ...answer, outcome: 'recalled' })).toMatchObject({
    refusal: { code: 'dispatch_state' },
  })
  await sound()
})

test('without tombstones an unknown outcome waits for a person, who may say that it never came', async () => {
  await house.regrade('B')
  await house.faults([{ match: { method: 'POST', path: PATH }, fault: 'lose_request' }])
  await house.start()
  await vi.waitFor(async () => {
    const [row] = await house.storyOf(order)
    expect(Number(row?.['attempt'])).toBeGreaterThan(0)
  })
  await house.recall(order)
  await house.reaches(order, { state: 'needs_operator', claim: 'live' })
  const [row] = await house.storyOf(order)
  const dispatch = String(row?.['id'])
  const note = { dispatch, actor: 'ann', note: 'they have not got it' }
  const done = orThrow(await resolveDispatch(house.context, { ...note, outcome: 'not_received' }))
  expect(done).toEqual({ state: 'recalled' })
  await house.reaches(order, { state: 'recalled', claim: 'recalled', order: 'held' })
  await sound()
})

test('a person may answer a dispatch in doubt by a recall', async () => {
  await house.faults([{ match: { method: 'POST', path: PATH }, fault: 'wrong_echo', times: 1 }])
  await house.start()
  await house.reaches(order, { state: 'quarantined' })
  const [row] = await house.storyOf(order)
  const dispatch = String(row?.['id'])
  const wish = { dispatch, outcome: 'recall', actor: 'ann', note: 'do not ship' } as const
  orThrow(await resolveDispatch(house.context, wish))
  await house.reaches(order, { state: 'recalled', claim: 'recalled', order: 'held' })
  expect(await house.judge(order)).toMatchObject([{ recalled_at: expect.any(String) }])
  await sound()
})

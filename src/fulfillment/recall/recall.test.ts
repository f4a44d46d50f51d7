import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { sealBatch } from '../seal/seal-batch.ts'
import { record } from '../warehouse.fixture.ts'
import { openRecalls } from './recall.fixture.ts'
import type { Recalls } from './recall.fixture.ts'
import { recallDispatches } from './request-recall.ts'

let house: Recalls
beforeAll(async () => {
  // The partner's events stay away, so that it picks nothing and only we act.
  house = await openRecalls({ isDeaf: true })
})
afterAll(() => house.stop())
afterEach(() => house.pause())

const seal = () => sealBatch(house.context, 'shipco', house.deps)

test('an accepted dispatch comes back: the line is free, the order held, the partner says so', async () => {
  await house.handOver(record('ord_a'))
  await house.start()
  await house.reaches('ord_a', { state: 'accepted', claim: 'live' })
  const [asked] = await house.recall('ord_a')
  expect(asked).toMatchObject({
    code: 'requested',
    dispatches: [{ orders: [{ order_id: 'ord_a', state: 'requested' }] }],
  })
  await house.reaches('ord_a', { state: 'recalled', claim: 'recalled', order: 'held' })
  expect(await house.judge('ord_a')).toMatchObject([{ recalled_at: expect.any(String) }])
  expect(await house.recall('ord_a')).toMatchObject([{ code: 'settled' }])
  expect(await house.recallsOf('ord_a')).toMatchObject([
    { state: 'answered', attempt: 1, revision: 1, classes: ['answered'] },
  ])
  expect(await house.violations()).toEqual([])
})

test('a dispatch that never left is taken back without a call, and the rest of its batch goes', async () => {
  await house.handOver(record('ord_b'), record('ord_c'))
  await seal()
  const [sealed] = await house.storyOf('ord_b')
  await house.query(
    `insert into fulfillment.recall_line
       (merchant_id, dispatch_id, fulfillment_id, order_id, partner_id, cause, actor, reason)
     select merchant_id, dispatch_id, fulfillment_id, order_id, 'shipco', 'operator', 'ann', 'x'
       from fulfillment.line_claim where order_id = 'ord_b'`,
  )
  await house.start()
  const back = { id: sealed?.['id'], state: 'recalled', attempt: 0, claim: 'recalled' }
  await house.reaches('ord_b', { ...back, wish: 'recalled', order: 'held' })
  await house.reaches('ord_c', { ...back, wish: null }, { state: 'accepted', claim: 'live' })
  expect(await house.judge('ord_b')).toEqual([])
  expect(await house.judge('ord_c')).toHaveLength(1)
  expect(await house.recallsOf('ord_b')).toEqual([])
  expect(await house.violations()).toEqual([])
})

test('what two people asked back together is held in the name of each', async () => {
  await house.handOver(record('ord_f'), record('ord_g'))
  await seal()
  await house.query(
    `insert into fulfillment.recall_line
       (merchant_id, dispatch_id, fulfillment_id, order_id, partner_id, cause, actor, reason)
     select merchant_id, dispatch_id, fulfillment_id, order_id, 'shipco', 'operator',
            case order_id when 'ord_f' then 'ann' else 'bob' end, 'x'
       from fulfillment.line_claim where order_id in ('ord_f', 'ord_g')`,
  )
  await house.start()
  for (const order of ['ord_f', 'ord_g']) await house.reaches(order, { order: 'held' })
  const holds = await house.query(
    `select f.order_id, h.placed_by from fulfillment.hold h
       join fulfillment.fulfillment_order f on f.id = h.fulfillment_id
      where f.order_id in ('ord_f', 'ord_g') order by 1`,
  )
  expect(holds).toEqual([
    { order_id: 'ord_f', placed_by: 'ann' },
    { order_id: 'ord_g', placed_by: 'bob' },
  ])
})

test('a later HOLD asks for its order alone: the rest of the dispatch stays with the partner', async () => {
  await house.handOver(record('ord_d'), record('ord_e'))
  await house.start()
  await house.reaches('ord_d', { state: 'accepted' })
  await house.handOver(record('ord_d', { verdict: 'hold', decisionNumber: 2 }))
  await house.reaches('ord_d', { state: 'recall_partial', claim: 'recalled', order: 'held' })
  await house.reaches('ord_e', { state: 'recall_partial', claim: 'live', order: 'accepted' })
  expect(await house.judge('ord_e')).toMatchObject([{ recalled_at: null }])
  // A certified CLEAR opens it again: another dispatch, and the partner takes it as a new one.
  await house.handOver(record('ord_d', { decisionNumber: 3 }))
  await house.reaches('ord_d', { claim: 'recalled' }, { state: 'accepted', claim: 'live' })
  expect(await house.judge('ord_d')).toMatchObject([
    { recalled_at: expect.any(String) },
    { recalled_at: null },
  ])
  expect(await house.violations()).toEqual([])
})

test('many batches are asked back in one call, each with its own result and audit row', async () => {
  const orders = ['ord_m1', 'ord_m2', 'ord_m3']
  for (const order of orders) {
    await house.handOver(record(order))
    await seal()
  }
  await house.start()
  for (const order of orders) await house.reaches(order, { state: 'accepted' })
  const rows = await house.query(
    `select d.batch_id, d.id from fulfillment.dispatch d
       join fulfillment.line_claim l on l.dispatch_id = d.id
      where l.order_id like 'ord_m%' order by l.order_id`,
  )
  const names = [...rows.map((row) => String(row['batch_id'])), 'btc_none']
  const wish = { names, actor: 'ann', reason: 'recalled in bulk' }
  const results = await recallDispatches(house.context, wish)
  expect(results.map((one) => one.code)).toEqual([
    'requested',
    'requested',
    'requested',
    'dispatch_unknown',
  ])
  for (const order of orders) await house.reaches(order, { state: 'recalled', order: 'held' })
  const again = await recallDispatches(house.context, wish)
  expect(again.map((one) => one.code)).toEqual([
    'settled',
    'settled',
    'settled',
    'dispatch_unknown',
  ])
  const audit = await house.query(
    `select subject_id, actor, reason from platform.audit
      where action = 'dispatch.recall' and reason = 'recalled in bulk' order by id limit 3`,
  )
  const ids = rows.map((row) => ({ subject_id: row['id'], actor: 'ann', reason: wish.reason }))
  expect(audit).toEqual(ids)
})

test('a partner that still picks is asked again under another key, and too late opens one case', async () => {
  const busy = await openRecalls({ shipDelayMs: 1_500 })
  try {
    await busy.handOver(record('ord_p'))
    await busy.start()
    await busy.reaches('ord_p', { state: 'accepted' })
    await vi.waitFor(async () => {
      const [row] = await busy.query(`select count(*)::int as n from fulfillment.inbox`)
      expect(row?.['n']).toBe(1)
    }, 5_000)
    await busy.recall('ord_p')
    await busy.reaches('ord_p', { wish: 'too_late', claim: 'live', tracking: expect.any(String) })
    const recalls = await busy.recallsOf('ord_p')
    expect(new Set(recalls.map((one) => one['key'])).size).toBe(recalls.length)
    expect(recalls.length).toBeGreaterThan(1)
    await busy.recall('ord_p')
    const cases = await busy.query(`select kind, state from cases."case" where order_id = 'ord_p'`)
    expect(cases).toEqual([{ kind: 'too_late', state: 'open' }])
    await busy.reaches('ord_p', { state: 'too_late', order: 'shipped' })
    expect(await busy.judge('ord_p')).toMatchObject([
      { recalled_at: null, shipped_at: expect.any(String) },
    ])
    expect(await busy.violations()).toEqual([])
  } finally {
    await busy.pause()
    await busy.stop()
  }
})

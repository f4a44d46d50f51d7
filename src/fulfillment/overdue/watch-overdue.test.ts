import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { caseEntries, listCases } from '#cases/index.ts'
import { resolveDispatch } from '../dispatch/resolve-dispatch.ts'
import { openRecalls } from '../recall/recall.fixture.ts'
import type { Recalls } from '../recall/recall.fixture.ts'
import { resolveRecall } from '../recall/resolve-recall.ts'
import { record } from '../warehouse.fixture.ts'
import { watchOverdue } from './watch-overdue.ts'

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
  await house.regrade('D')
  await house.handOver(record(order))
})
afterEach(async () => {
  await house.pause()
  await house.faults([])
})

const dispatchId = async () => String((await house.storyOf(order))[0]?.['id'])
const waits = async (minutes: number, table: 'dispatch' | 'recall' = 'dispatch') =>
  house.asOwner(
    `update fulfillment.${table} set intent_at = now() - interval '${minutes} minutes'
      where ${table === 'dispatch' ? 'id' : 'dispatch_id'} = '${await dispatchId()}'`,
  )
/** Nobody knows what became of it, and the partner cannot be asked. */
const inDoubt = async () => {
  await house.faults([{ match: { method: 'POST', nth: 1 }, fault: 'lose_answer' }])
  await house.start()
  await house.reaches(order, { state: 'needs_operator' })
}
const look = async () => {
  await watchOverdue(house.context, 'dispatch')
  await watchOverdue(house.context, 'recall')
}
const casesOf = async (subject: string) => {
  const all = await listCases(house.context.database, 'main', { limit: 200 })
  return all.filter((one) => one.subject_id === subject)
}
const eventsOf = async (subject: string) => {
  const rows = await house.query(
    `select kind from platform.event where subject_id = '${subject}' and kind like '%.overdue%' order by id`,
  )
  return rows.map((row) => row['kind'])
}
const answer = async (outcome: 'received' | 'not_received') => {
  const input = { dispatch: await dispatchId(), actor: 'person:ada', note: 'asked them', outcome }
  orThrow(await resolveDispatch(house.context, input))
}

describe('a dispatch that waits for a person', () => {
  test('becomes one case after fifteen minutes, whoever looks and however often', async () => {
    await inDoubt()
    await house.pause()
    const id = await dispatchId()
    await waits(14)
    await look()
    expect(await casesOf(id)).toEqual([])
    await waits(16)
    await Promise.all([look(), look(), look()])
    await look()
    const cases = await casesOf(id)
    expect(cases).toMatchObject([
      { kind: 'overdue_dispatch', state: 'open', partner_id: 'shipco', subject_id: id },
    ])
    const entries = await caseEntries(house.context.database, 'main', cases[0]?.id ?? '')
    expect(entries).toMatchObject([
      { kind: 'evidence', data: { dispatch: id, state: 'needs_operator', attempt: 1, orders: 1 } },
    ])
    expect(await eventsOf(id)).toEqual(['dispatch.overdue'])
  })

  test('is told by the worker itself, which takes it back when it is answered', async () => {
    await inDoubt()
    const id = await dispatchId()
    await waits(16)
    await vi.waitFor(
      async () => expect(await casesOf(id)).toMatchObject([{ state: 'open' }]),
      10_000,
    )
    await answer('received')
    await vi.waitFor(
      async () => expect(await casesOf(id)).toMatchObject([{ state: 'resolved' }]),
      10_000,
    )
    const [one] = await casesOf(id)
    const entries = await caseEntries(house.context.database, 'main', one?.id ?? '')
    expect(entries.map((entry) => entry.text)).toContain('It was answered, and is accepted now.')
    expect(await eventsOf(id)).toEqual(['dispatch.overdue', 'dispatch.overdue_settled'])
  })

  test('is told again where it comes to wait a second time', async () => {
    await inDoubt()
    await house.pause()
    const id = await dispatchId()
    await waits(16)
    await look()
    await answer('not_received')
    await house.faults([{ match: { method: 'POST', nth: 1 }, fault: 'lose_answer' }])
    await house.start()
    await house.reaches(order, { state: 'needs_operator', attempt: 2 })
    await house.pause()
    // Nobody looked while it was on its way.
    await look()
    expect((await casesOf(id)).map((one) => one.state)).toEqual(['resolved'])
    await waits(16)
    await look()
    const states = (await casesOf(id)).map((one) => one.state)
    expect(states.toSorted()).toEqual(['open', 'resolved'])
  })
})

describe('the money at stake', () => {
  const soldFor = (unitPriceMinor: number) => [
    {
      line: 1,
      sku: 'A',
      qty: 1,
      allocations: [{ locationId: 'loc-shipco', qty: 1 }],
      unitPriceMinor,
    },
  ]
  const stakeOf = async () => {
    await inDoubt()
    await house.pause()
    await waits(16)
    await look()
    const [one] = await casesOf(await dispatchId())
    return [one?.money_minor, one?.currency]
  }

  test('is what the orders of the dispatch were sold for', async () => {
    await house.handOver(record(`${order}b`, { lines: soldFor(701) }))
    expect(await stakeOf()).toEqual([1_201, 'GBP'])
  })

  test('is not told where it is in two currencies', async () => {
    await house.handOver(record(`${order}b`, { currency: 'EUR' }))
    expect(await stakeOf()).toEqual([null, null])
  })

  test('is not told where an order of the dispatch came from a sender that says no prices', async () => {
    await house.handOver(record(`${order}b`, { identity: '' }))
    expect(await stakeOf()).toEqual([null, null])
  })
})

test('a recall that waits for a person becomes a case, and closes when it is answered', async () => {
  await house.start()
  await house.reaches(order, { state: 'accepted' })
  await house.recall(order)
  await vi.waitFor(
    async () => expect(await house.recallsOf(order)).toMatchObject([{ state: 'needs_operator' }]),
    10_000,
  )
  await house.pause()
  const dispatch = await dispatchId()
  const [recall] = await house.query(
    `select id from fulfillment.recall where dispatch_id = '${dispatch}'`,
  )
  const id = String(recall?.['id'])
  await house.asOwner(
    `update fulfillment.recall set sealed_at = now() - interval '16 minutes', intent_at = null where id = '${id}'`,
  )
  await look()
  expect(await casesOf(id)).toMatchObject([{ kind: 'overdue_recall', state: 'open' }])
  orThrow(
    await resolveRecall(house.context, {
      recall: id,
      outcome: 'recalled',
      actor: 'person:ada',
      note: 'they took it back',
    }),
  )
  await look()
  expect(await casesOf(id)).toMatchObject([{ kind: 'overdue_recall', state: 'resolved' }])
  expect(await eventsOf(id)).toEqual(['recall.overdue', 'recall.overdue_settled'])
})

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { invariant, orThrow } from '#kernel/index.ts'
import { read } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { startGrpcServer } from '#platform/grpc/index.ts'
import type { GrpcServer } from '#platform/grpc/index.ts'
import {
  approvalCheck,
  fulfillmentChecks,
  handOverService,
  sealBatch,
  sealProver,
} from '#fulfillment/index.ts'
import { inventoryChecks, listStock } from '#inventory/index.ts'
import { decideOrder, fulfillmentClient, handOverOnce, withdrawOrder } from '#orders/index.ts'
import type { FulfillmentClient, OrderInput, OrderPlacing } from '#orders/index.ts'
import { registerPartner } from '#partners/index.ts'
import { HAND_OVER_LIMITS, HandoffService } from '#wire/index.ts'
import { createTestContext, createTestDatabase } from '../database.ts'
import type { TestDatabase } from '../database.ts'
import { openLane } from '../../src/fulfillment/warehouse.fixture.ts'
import {
  anOrder,
  aRequest,
  stockShop,
  TEST_MASTER_KEY,
  testPlacing,
  testReviewKeys,
} from '../shop.ts'

let db: TestDatabase
let context: Context
let placing: OrderPlacing
let server: GrpcServer
let client: FulfillmentClient
beforeAll(async () => {
  db = await createTestDatabase({ connectionsMax: 30 })
  context = await createTestContext(db.database)
  placing = testPlacing(context)
  await stockShop(context, { A: 100_000 })
  orThrow(
    await registerPartner(context, TEST_MASTER_KEY, {
      id: 'shipco',
      url: 'http://127.0.0.1:9',
      allowPrivate: true,
      actor: 'test',
    }),
  )
  const service = handOverService({
    context,
    masterKey: TEST_MASTER_KEY,
    reviewKeys: testReviewKeys,
  })
  server = await startGrpcServer({
    services: [(router) => void router.service(HandoffService, service)],
    host: '127.0.0.1',
    port: 0,
    messageBytesMax: HAND_OVER_LIMITS.envelopeBytesMax * 2,
  })
  client = fulfillmentClient(server.url, TEST_MASTER_KEY)
})
afterAll(async () => {
  await server.close()
  await db.drop()
})

const place = async (input: Partial<OrderInput> = {}): Promise<string> => {
  const outcome = await placing.place(aRequest(anOrder(input)))
  invariant(outcome.kind === 'placed', 'the order is placed')
  return outcome.order.id
}
const handOver = async (): Promise<void> => {
  while ((await handOverOnce(context, client.handOver)).records > 0);
}
const seal = async () =>
  sealBatch(context, 'shipco', {
    isProven: approvalCheck(testReviewKeys),
    prover: sealProver(TEST_MASTER_KEY),
    gate: await openLane(context, 'shipco'),
  })
const sealAll = async (): Promise<void> => {
  while ((await seal()).orders > 0);
}
const withdraw = (
  orderId: string,
  kind: 'cancel' | 'reject' | 'amend',
  shipTo?: Record<string, string>,
) =>
  withdrawOrder(placing.deps, client.withdraw, {
    orderId,
    kind,
    actor: 'test',
    reason: 'because',
    ...(shipTo ? { shipTo } : {}),
  })
const decide = (orderId: string, verdict: 'hold' | 'clear') =>
  decideOrder(placing.deps, client.decide, {
    orderId,
    verdict,
    actor: 'person:ada',
    reason: 'looked at it',
  })
const rows = async (text: string, id: string) => (await db.database.pool.query(text, [id])).rows
const states = async (orderId: string): Promise<string[]> =>
  (
    await rows(
      'select state from fulfillment.fulfillment_order where order_id = $1 order by revision, id',
      orderId,
    )
  ).map((row) => String(row.state))
const reserved = async () =>
  (await listStock(db.database, 'main', { sku: 'A', limit: 1 }))[0]?.reserved ?? 0
const moves = async (orderId: string) =>
  rows(
    'select kind, sum(reserved_delta)::int as units from inventory.movement where subject_id = $1 group by kind order by kind',
    orderId,
  )

describe('the hand-over', () => {
  test('opens what is clear, holds what is held, and says it once however often it is sent', async () => {
    const clear = await place()
    const held = await place({ country: 'FR' })
    await handOver()
    expect(await states(clear)).toEqual(['open'])
    expect(await states(held)).toEqual(['held'])
    await db.database.pool.query(
      'insert into orders.handover_outbox (merchant_id, order_id, number) values ($1, $2, 1)',
      ['main', clear],
    )
    await handOver()
    expect(await states(clear)).toEqual(['open'])
  })

  test('an unreachable fulfillment keeps every order in the outbox', async () => {
    const id = await place()
    const nowhere = fulfillmentClient('http://127.0.0.1:9', TEST_MASTER_KEY)
    await expect(handOverOnce(context, nowhere.handOver)).rejects.toThrow(/unavailable/)
    expect(await rows('select 1 from orders.handover_outbox where order_id = $1', id)).toHaveLength(
      1,
    )
    await handOver()
    expect(await states(id)).toEqual(['open'])
  })

  test('a caller without the token of the installation is refused', async () => {
    const id = await place()
    const stranger = fulfillmentClient(server.url, Buffer.alloc(32, 9))
    const round = await handOverOnce(context, stranger.handOver)
    expect(round).toMatchObject({ records: 0, refusal: { code: 'unauthenticated' } })
    await db.database.pool.query('update orders.handover_outbox set not_before = now()')
    await handOver()
    expect(await states(id)).toEqual(['open'])
  })
})

describe('a decision by a person', () => {
  test('a clear opens the order only after the undo window, and a hold undoes it', async () => {
    const id = await place({ country: 'FR' })
    await handOver()
    expect(await decide(id, 'clear')).toMatchObject({
      value: { answer: { number: 2, verdict: 'clear', outcome: 'cleared' } },
    })
    await handOver()
    expect(await states(id)).toEqual(['open'])
    await sealAll()
    expect(await states(id)).toEqual(['open'])
    expect(await decide(id, 'hold')).toMatchObject({
      value: { answer: { number: 3, verdict: 'hold', outcome: 'held' } },
    })
    await handOver()
    expect(await states(id)).toEqual(['held'])
  })

  test('is audited with actor, reason, before and after', async () => {
    const id = await place({ country: 'FR' })
    await decide(id, 'clear')
    expect(
      await rows(
        'select actor, action, reason, before, after from platform.audit where subject_id = $1',
        id,
      ),
    ).toMatchObject([
      {
        actor: 'person:ada',
        action: 'orders.decide',
        reason: 'looked at it',
        before: { verdict: 'hold' },
        after: { verdict: 'clear' },
      },
    ])
  })
})

describe('taking an order back', () => {
  test('before the seal it is done, its stock released once, and asking again says the same', async () => {
    const id = await place({ lines: [{ sku: 'A', qty: 7 }] })
    await handOver()
    const before = await reserved()
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => withdraw(id, 'cancel')))
    expect(answers.every((answer) => answer.ok && answer.value.state === 'done')).toBe(true)
    expect(await reserved()).toBe(before - 7)
    expect(await moves(id)).toEqual([
      { kind: 'release', units: -7 },
      { kind: 'reserve', units: 7 },
    ])
    expect(await states(id)).toEqual(['withdrawn'])
    expect(await decide(id, 'clear')).toMatchObject({ refusal: { code: 'order_closed' } })
  })

  test('before the hand-over it leaves a tombstone that a late hand-over meets', async () => {
    const id = await place()
    expect(await withdraw(id, 'reject')).toMatchObject({ ok: true })
    await handOver()
    expect((await states(id)).filter((state) => state !== 'withdrawn')).toEqual([])
  })

  test('after the seal its partner is asked, and until it answers the order keeps its stock', async () => {
    const ids = [await place(), await place(), await place()] as const
    await handOver()
    await sealAll()
    const answers = [
      await withdraw(ids[0], 'cancel'),
      await withdraw(ids[1], 'reject'),
      await withdraw(ids[2], 'amend', { name: 'B', country: 'GB' }),
    ]
    for (const [index, id] of ids.entries()) {
      expect(answers[index]).toMatchObject({ value: { state: 'recalling' } })
      expect(await states(id)).toEqual(['sealed'])
      expect(await moves(id)).toEqual([{ kind: 'reserve', units: 1 }])
    }
    // Another change waits its turn: the order is not what it will be.
    expect(await withdraw(ids[2], 'cancel')).toMatchObject({
      refusal: { code: 'decision_refused' },
    })
  })

  test('a new address is a new revision that is decided on again', async () => {
    const id = await place({ ship_to: { name: 'A', country: 'GB' } })
    await handOver()
    expect(await withdraw(id, 'amend', { name: 'A', country: 'FR' })).toMatchObject({ ok: true })
    await handOver()
    expect(await states(id)).toEqual(['withdrawn', 'held'])
    expect(await withdraw(id, 'amend', { name: 'A', country: 'GB' })).toMatchObject({ ok: true })
    await handOver()
    expect(
      (await rows('select reasons from orders.decision where order_id = $1 and number = 3', id))[0],
    ).toEqual({ reasons: ['held_before'] })
  })

  test('raced fifty times against the seal it is either cancelled and released, or asked back, never both', async () => {
    const outcomes = new Map<string, number>()
    for (let round = 0; round < 50; round += 1) {
      const id = await place()
      await handOver()
      const [answer] = await Promise.all([withdraw(id, 'cancel'), seal()])
      const [state] = await states(id)
      const released = (await moves(id)).some((move) => move.kind === 'release')
      const said = orThrow(answer).state
      expect([said, state, released]).toEqual(
        said === 'done' ? ['done', 'withdrawn', true] : ['recalling', 'sealed', false],
      )
      outcomes.set(state ?? '', (outcomes.get(state ?? '') ?? 0) + 1)
    }
    expect([...outcomes.values()].reduce((sum, count) => sum + count, 0)).toBe(50)
  })
})

test('after all of it every invariant holds', async () => {
  const found = await Promise.all(
    [...inventoryChecks, ...fulfillmentChecks].map((check) =>
      read(db.database, check.find, { merchant: 'main' }),
    ),
  )
  expect(found.flat()).toEqual([])
})

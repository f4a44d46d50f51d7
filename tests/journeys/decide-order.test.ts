import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { invariant, orThrow } from '#kernel/index.ts'
import { read } from '#platform/index.ts'
import { startGrpcServer } from '#platform/grpc/index.ts'
import type { GrpcServer } from '#platform/grpc/index.ts'
import { fulfillmentChecks, handOverService } from '#fulfillment/index.ts'
import {
  decideOrder,
  fulfillmentClient,
  handOverOnce,
  listDecisions,
  orderChecks,
  resumeDecisions,
  withdrawOrder,
} from '#orders/index.ts'
import type { AskDecision, FulfillmentClient, OrderInput, OrderPlacing } from '#orders/index.ts'
import { HandoffService } from '#wire/index.ts'
import { sealBatch } from '../../src/fulfillment/seal/seal-batch.ts'
import { openWarehouse } from '../../src/fulfillment/warehouse.fixture.ts'
import type { Warehouse } from '../../src/fulfillment/warehouse.fixture.ts'
import {
  anOrder,
  aRequest,
  stockShop,
  TEST_MASTER_KEY,
  testPlacing,
  testReviewKeys,
} from '../shop.ts'

let house: Warehouse
let placing: OrderPlacing
let server: GrpcServer
let client: FulfillmentClient
beforeAll(async () => {
  house = await openWarehouse()
  placing = testPlacing(house.context)
  await stockShop(house.context, { A: 10_000 })
  const service = handOverService({
    context: house.context,
    masterKey: TEST_MASTER_KEY,
    reviewKeys: testReviewKeys,
  })
  server = await startGrpcServer({
    services: [(router) => void router.service(HandoffService, service)],
    host: '127.0.0.1',
    port: 0,
    messageBytesMax: 1024 * 1024,
  })
  client = fulfillmentClient(server.url, TEST_MASTER_KEY)
})
afterAll(async () => {
  await server.close()
  await house.stop()
})

const place = async (input: Partial<OrderInput> = {}): Promise<string> => {
  const outcome = await placing.place(aRequest(anOrder(input)))
  invariant(outcome.kind === 'placed', 'the order is placed')
  return outcome.order.id
}
const handOver = async (): Promise<void> => {
  while ((await handOverOnce(house.context, client.handOver)).records > 0);
}
const seal = () => sealBatch(house.context, 'shipco', house.deps)
const nowhere = fulfillmentClient('http://127.0.0.1:9', TEST_MASTER_KEY).decide
const decide = (
  orderId: string,
  verdict: 'hold' | 'clear',
  over: { ask?: AskDecision; key?: string; reason?: string } = {},
) => {
  const { ask = client.decide, ...rest } = over
  const wish = { orderId, verdict, actor: 'person:ada', reason: 'looked at it', ...rest }
  return decideOrder(placing.deps, ask, wish)
}
const verdicts = async (orderId: string) =>
  (await listDecisions(house.context.database, 'main', orderId)).map((one) => one.verdict)
const stateOf = async (orderId: string) => {
  const rows = await house.query(
    `select state from fulfillment.fulfillment_order where order_id = '${orderId}'`,
  )
  return rows.map((row) => row['state']).join()
}
const wishesOf = async (orderId: string) => {
  const rows = await house.query(
    `select state from orders.decision_wish where order_id = '${orderId}' order by wished_at`,
  )
  return rows.map((row) => row['state'])
}
const makeDue = () =>
  house.asOwner(
    `update orders.decision_wish set ask_after = now() where state in ('asked', 'dropping')`,
  )
const resume = async () => {
  await makeDue()
  return resumeDecisions(placing.deps, client.decide)
}
const shipped = async (orderId: string): Promise<void> => {
  const worker = await house.startWorker()
  await vi.waitFor(async () => expect(await stateOf(orderId)).toBe('shipped'), 30_000)
  await worker.stop()
}

describe('a decision on an order', () => {
  test('that has left is refused, and nothing is recorded', async () => {
    const id = await place()
    await handOver()
    await shipped(id)
    for (const verdict of ['hold', 'clear'] as const) {
      expect(await decide(id, verdict)).toMatchObject({
        refusal: { code: 'order_shipped', meta: { parts: [{ state: 'left', parcels: 1 }] } },
      })
    }
    expect(await verdicts(id)).toEqual(['clear'])
    await handOver()
    expect(await house.query('select 1 from orders.handover_outbox')).toEqual([])
  })

  test('that is not sealed holds it before the answer, hand-over or not', async () => {
    const [early, late] = [await place(), await place()]
    const clear = await house.query(`select 1 from orders.handover_outbox`)
    expect(clear).toHaveLength(2)
    expect(await decide(early, 'hold')).toMatchObject({
      value: { answer: { number: 2, verdict: 'hold', outcome: 'held', parts: [] } },
    })
    await handOver()
    expect(await decide(late, 'hold')).toMatchObject({
      value: { answer: { outcome: 'held', parts: [{ state: 'held', partner_id: 'shipco' }] } },
    })
    expect([await stateOf(early), await stateOf(late)]).toEqual(['held', 'held'])
    await handOver()
    expect((await seal()).orders).toBe(0)
    expect(await decide(late, 'clear')).toMatchObject({ value: { answer: { outcome: 'cleared' } } })
    await handOver()
    expect([await stateOf(early), await stateOf(late)]).toEqual(['held', 'open'])
    await withdrawOrder(placing.deps, client.withdraw, {
      orderId: late,
      kind: 'cancel',
      actor: 'test',
      reason: 'out of the way',
    })
  })

  test('that is sealed is recorded, recalls it and says so; a CLEAR then is refused', async () => {
    const id = await place()
    await handOver()
    await seal()
    expect(await decide(id, 'clear')).toMatchObject({ refusal: { code: 'dispatch_sealed' } })
    expect(await decide(id, 'hold')).toMatchObject({
      value: { answer: { outcome: 'recalling', parts: [{ state: 'asked_back' }] } },
    })
    expect(await decide(id, 'clear')).toMatchObject({
      refusal: { code: 'dispatch_sealed', meta: { parts: [{ state: 'asked_back' }] } },
    })
    await handOver()
    expect(await verdicts(id)).toEqual(['clear', 'hold'])
    const worker = await house.startWorker()
    await vi.waitFor(async () => expect(await stateOf(id)).toBe('held'), 30_000)
    await worker.stop()
    expect(await decide(id, 'clear')).toMatchObject({ value: { answer: { outcome: 'cleared' } } })
    await handOver()
    expect(await stateOf(id)).toBe('open')
  })
})

describe('a decision that fulfillment does not answer', () => {
  test('is 503 with nothing recorded, and the order goes its way', async () => {
    const id = await place()
    await handOver()
    for (const verdict of ['hold', 'clear'] as const)
      expect(await decide(id, verdict, { ask: nowhere })).toMatchObject({
        refusal: { code: 'fulfillment_unavailable' },
      })
    expect([await verdicts(id), await stateOf(id)]).toEqual([['clear'], 'open'])
    expect(await wishesOf(id)).toEqual(['dropping', 'dropped'])
    expect(await resume()).toBe(1)
    expect(await wishesOf(id)).toEqual(['dropped', 'dropped'])
    expect([await verdicts(id), await stateOf(id)]).toEqual([['clear'], 'open'])
  })

  test('because the answer was lost is taken back there, and may be made again meanwhile', async () => {
    const id = await place()
    await handOver()
    const lost: AskDecision = async (wish, action) => {
      await client.decide(wish, action)
      throw new Error('the answer is lost')
    }
    expect(await decide(id, 'hold', { ask: lost, key: 'k1' })).toMatchObject({
      refusal: { code: 'fulfillment_unavailable' },
    })
    expect([await verdicts(id), await stateOf(id)]).toEqual([['clear'], 'held'])
    const again = await decide(id, 'hold', { key: 'k1' })
    expect(again).toMatchObject({ value: { isReplayed: false, answer: { outcome: 'held' } } })
    await resume()
    expect(await stateOf(id)).toBe('held')
    await handOver()
    expect([await verdicts(id), await stateOf(id)]).toEqual([['clear', 'hold'], 'held'])
  })

  test('because the answer was lost, and nobody asks again, holds nothing for good', async () => {
    const id = await place()
    await handOver()
    const lost: AskDecision = async (wish, action) => {
      await client.decide(wish, action)
      throw new Error('the answer is lost')
    }
    await decide(id, 'hold', { ask: lost })
    expect(await stateOf(id)).toBe('held')
    await resume()
    expect([await stateOf(id), await verdicts(id)]).toEqual(['open', ['clear']])
  })
})

describe('a process that died between the question and the record', () => {
  const died: AskDecision = async (wish, action) => {
    await client.decide(wish, action)
    return new Promise(() => undefined)
  }
  const askAndDie = async (id: string, verdict: 'hold' | 'clear', key?: string) => {
    void decide(id, verdict, { ask: died, ...(key === undefined ? {} : { key }) })
    await vi.waitFor(async () => expect(await wishesOf(id)).toEqual(['asked']))
  }

  test('leaves a HOLD that another carries out, once, and a CLEAR that nobody does', async () => {
    const [held, cleared] = [await place(), await place({ country: 'FR' })]
    await handOver()
    await askAndDie(held, 'hold')
    await askAndDie(cleared, 'clear')
    await vi.waitFor(async () => expect(await stateOf(held)).toBe('held'))
    expect(await decide(held, 'clear')).toMatchObject({ refusal: { code: 'decision_refused' } })
    await makeDue()
    await Promise.all([1, 2, 3].map(() => resumeDecisions(placing.deps, client.decide)))
    await handOver()
    expect([await verdicts(held), await stateOf(held)]).toEqual([['clear', 'hold'], 'held'])
    expect([await verdicts(cleared), await wishesOf(cleared)]).toEqual([['hold'], ['dropped']])
  })

  test('is joined by the same request, whose answer is the same ever after', async () => {
    const id = await place()
    await handOver()
    await askAndDie(id, 'hold', 'k2')
    const first = orThrow(await decide(id, 'hold', { key: 'k2' }))
    const second = orThrow(await decide(id, 'hold', { key: 'k2', ask: nowhere }))
    expect(second).toEqual({ answer: first.answer, isReplayed: true })
    expect(await decide(id, 'hold', { key: 'k2', reason: 'another' })).toMatchObject({
      refusal: { code: 'idempotency_key_reused' },
    })
    expect(await verdicts(id)).toEqual(['clear', 'hold'])
  })

  test('does not stop a HOLD where it was about to clear, nor a cancellation', async () => {
    const id = await place({ country: 'FR' })
    await handOver()
    await askAndDie(id, 'clear')
    expect(await decide(id, 'hold')).toMatchObject({ value: { answer: { outcome: 'held' } } })
    const other = await place()
    await handOver()
    await askAndDie(other, 'hold')
    const cancel = { orderId: other, kind: 'cancel' as const, actor: 'test', reason: 'asked' }
    expect(await withdrawOrder(placing.deps, client.withdraw, cancel)).toMatchObject({ ok: true })
    await resume()
    expect([await wishesOf(other), await stateOf(other)]).toEqual([['dropping'], 'withdrawn'])
    await resume()
    expect(await wishesOf(other)).toEqual(['dropped'])
  })
})

test('two people who hold at once are one decision; a CLEAR is about what was seen', async () => {
  const id = await place({ country: 'FR' })
  await handOver()
  const both = await Promise.all([decide(id, 'hold'), decide(id, 'hold')])
  expect(new Set(both.map((one) => orThrow(one).answer.decision_id)).size).toBeLessThanOrEqual(2)
  const meanwhile: AskDecision = async (wish, action) => {
    const word = await client.decide(wish, action)
    orThrow(await decide(id, 'hold', { reason: 'another person' }))
    return word
  }
  expect(await decide(id, 'clear', { ask: meanwhile })).toMatchObject({
    refusal: { code: 'decision_refused' },
  })
  expect((await verdicts(id)).includes('clear')).toBe(false)
})

test('after all of it every invariant holds', async () => {
  await handOver()
  await resume()
  const found = await Promise.all(
    [...orderChecks, ...fulfillmentChecks].map((check) =>
      read(house.context.database, check.find, { merchant: 'main' }),
    ),
  )
  expect(found.flat()).toEqual([])
})

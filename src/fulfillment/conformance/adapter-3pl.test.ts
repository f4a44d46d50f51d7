import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { newId } from '#kernel/index.ts'
import { newWebhookSecret } from '#platform/webhooks/index.ts'
import { dispatchRequest, lookupRequest } from '../dispatch/dispatch-request.ts'
import { orderKey } from '../idempotency-key.ts'
import { sealBody } from '../seal/seal-body.ts'
import { folder, startScript, world } from './example.fixture.ts'
import { measurePartner } from './measure-partner.ts'
import { probeRecall } from './probe-body.ts'
import { bodyOf, probeExchange } from './probe-exchange.ts'

const identity = { merchant: 'main', partner: 'adapted' }

async function open3pl() {
  const toy = await startScript('adapter-3pl/toy-3pl.js', [])
  const file = join(await folder(), 'ledger.ndjson')
  const secret = newWebhookSecret()
  const start = () =>
    startScript('adapter-3pl/adapter.js', ['--file', file, '--api', toy.url], secret)
  const toyOrder = z.object({ reference_id: z.string(), cancelled: z.boolean().optional() })
  return {
    start,
    set: (value: object) => fetch(`${toy.url}/toy`, { method: 'PUT', body: JSON.stringify(value) }),
    ship: (reference: string) => fetch(`${toy.url}/orders/${reference}/ship`, { method: 'POST' }),
    orders: async () =>
      z.array(toyOrder).parse(await (await fetch(`${toy.url}/toy/orders`)).json()),
  }
}

const order = (name: string, sku = 'A') => ({
  fulfillmentId: `ful_${name}`,
  generation: 1,
  decisionId: 'rvd_1',
  shipTo: { name: 'Ada', country: 'GB' },
  lines: [{ line_id: '1', sku, qty: 1 }],
})
const referenceOf = (name: string) =>
  orderKey({ ...identity, fulfillment: `ful_${name}`, generation: 1 })

type Adapter = Awaited<ReturnType<Awaited<ReturnType<typeof open3pl>>['start']>>
type Sealed = ReturnType<typeof sealBody>

const seal = (orders: ReturnType<typeof order>[]): Sealed =>
  sealBody({ ...identity, batch: newId('btc'), revision: 1, sequence: 1, orders })

/** Sends or looks up, and answers with status and body. */
function client() {
  const { outbound, clock } = world()
  const ask = async (request: Parameters<typeof outbound.send>[0]) => {
    const result = await outbound.send(request)
    return { status: result.kind === 'reply' ? result.status : 0, body: bodyOf(result) }
  }
  const timestampS = () => Math.floor(clock.nowMs() / 1_000)
  return {
    post: ({ target }: Adapter, { key, bytes }: Sealed) =>
      ask(
        dispatchRequest({
          ...target,
          key,
          bytes,
          fenceEpoch: 1,
          attempt: 1,
          timestampS: timestampS(),
        }),
      ),
    look: ({ target }: Adapter, { key }: Sealed) =>
      ask(lookupRequest({ ...target, key, timestampS: timestampS() })),
  }
}

test('the adapter makes a partner of grade A of a 3PL without keys', async () => {
  const house = await open3pl()
  const { target } = await house.start()
  const measured = await measurePartner(world(), { identity, target, kept: [] })
  expect(measured.checks.filter((one) => one.outcome === 'failed')).toEqual([])
  expect(measured).toMatchObject({ grade: 'A', isComplete: true })
  expect(await house.orders()).toEqual([])
})

test('an answer that the 3PL loses, and a kill -9, cost no order and double none', async () => {
  const house = await open3pl()
  const { post, look } = client()
  const sealed = seal([order('one'), order('two'), order('three')])
  const first = await house.start()
  await house.set({ drop: 1 })
  expect(await post(first, sealed)).toMatchObject({ status: 502 })
  expect(await house.orders()).toHaveLength(1)
  expect(await look(first, sealed)).toMatchObject({ status: 404 })
  await first.kill()
  const second = await house.start()
  const accepted = { accepted: ['ful_one', 'ful_three', 'ful_two'], rejected: [] }
  expect(await post(second, sealed)).toMatchObject({ status: 201, body: accepted })
  expect(await post(second, sealed)).toMatchObject({ status: 200, body: accepted })
  const references = (await house.orders()).map((one) => one.reference_id)
  expect(references.toSorted()).toEqual(['one', 'two', 'three'].map(referenceOf).toSorted())
})

test('what the 3PL refuses is rejected by name, and the rest is accepted', async () => {
  const house = await open3pl()
  const adapter = await house.start()
  await house.set({ refuse_sku: 'GONE' })
  const sealed = seal([order('here'), order('gone', 'GONE')])
  expect(await client().post(adapter, sealed)).toMatchObject({
    status: 201,
    body: { accepted: ['ful_here'], rejected: [{ id: 'ful_gone', code: 'refused_by_3pl' }] },
  })
})

test('a recall cancels what is there, says what has left, and holds off a late create', async () => {
  const house = await open3pl()
  const adapter = await house.start()
  const { post } = client()
  const sealed = seal([order('left'), order('stays')])
  await post(adapter, sealed)
  await house.ship(referenceOf('left'))
  const { recall } = probeExchange(world(), adapter.target)
  const recallOf = async ({ key }: Sealed, name: string) => {
    const asked = { key, batch: `btc_${name}`, orderKey: referenceOf(name) }
    const nothing = { bytes: Buffer.alloc(0), contentSha256: '', fulfillmentIds: [] }
    return bodyOf(await recall(key, probeRecall(identity, { ...asked, ...nothing })))
  }
  expect(await recallOf(sealed, 'left')).toMatchObject({
    orders: [{ outcome: 'too_late', tracking_number: expect.any(String) }],
  })
  expect(await recallOf(sealed, 'stays')).toMatchObject({ orders: [{ outcome: 'recalled' }] })
  const cancelled = (await house.orders()).filter((one) => one.cancelled === true)
  expect(cancelled.map((one) => one.reference_id)).toEqual([referenceOf('stays')])
  const late = seal([order('late')])
  expect(await recallOf(late, 'late')).toMatchObject({ tombstone: true })
  expect(await post(adapter, late)).toMatchObject({ status: 410 })
})

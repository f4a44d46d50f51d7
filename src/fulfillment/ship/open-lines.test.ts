import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId, orThrow } from '#kernel/index.ts'
import { findPartner } from '#partners/index.ts'
import { reserveStock } from '#inventory/index.ts'
import { withTransaction } from '#platform/index.ts'
import { openCompletionLane, runLane } from '../dispatch/dispatch-lane.ts'
import { laneDeps } from '../dispatch/lane-deps.ts'
import { returnRejected } from '../dispatch/reject-orders.ts'
import { withdrawOrder } from '../receive/withdraw-order.ts'
import { sealBatch } from '../seal/seal-batch.ts'
import { requestReship } from '../reship/reship.ts'
import { openWarehouse } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'
import { ORDERED, parcelsOf, SKUS } from './parcels.fixture.ts'
import type { Order } from './parcels.fixture.ts'
import { releaseShort, resendRejected } from './settle-open-lines.ts'

let house: Warehouse
let at: ReturnType<typeof parcelsOf>
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true })
  at = parcelsOf(house)
})
afterAll(() => house.stop())

/** Reserves the stock of an order, as taking it would have. */
async function reserve(one: Order): Promise<void> {
  await at.receive(100)
  const lines = ORDERED.map((qty, index) => ({ lineNo: index + 1, sku: SKUS[index] ?? 'A', qty }))
  await withTransaction(house.test.database, (tx) =>
    reserveStock(tx, 'main', [{ subjectId: one.order, lines, maySplit: false }]),
  )
}
const reservedOf = async (one: Order) => {
  const rows = await house.query(
    `select line_no, sum(reserved_delta)::int as n from inventory.movement
      where subject_id = '${one.order}' group by 1 order by 1`,
  )
  return rows.map((row) => row['n'])
}

test('short units go to a person line by line, and are given up once, with their stock', async () => {
  const one = await at.sealed()
  await reserve(one)
  await at.ship(one, {
    name: 'a',
    lines: [
      [1, 1],
      [2, 2],
    ],
    isLive: true,
  })
  await at.short(one, [[1, 1]])
  await at.short(one, [[1, 2]])
  await at.short(one, [[1, 1]])
  await at.apply()
  expect(await at.openCasesOf(one)).toEqual(['short_shipment'])
  expect(await at.stateOf(one)).toBe('sealed')
  expect(await reservedOf(one)).toEqual([2, 0])
  const change = { fulfillment: one.id, actor: 'person:ada', reason: 'refunded' }
  const both = await Promise.all([
    releaseShort(house.context, change),
    releaseShort(house.context, change),
  ])
  expect(both.filter((outcome) => outcome.ok)).toHaveLength(1)
  expect(both.find((outcome) => outcome.ok)).toMatchObject({
    value: { state: 'shipped', units: 2 },
  })
  expect(await reservedOf(one)).toEqual([0, 0])
  // A reship is always whole: it would send what was given up.
  const wish = { fulfillment: one.id, actor: 'person:ada', reason: 'lost', evidence: 'ticket 1' }
  expect(await requestReship(house.context, wish)).toMatchObject({
    refusal: { code: 'fulfillment_state' },
  })
  expect(await at.openCasesOf(one)).toEqual([])
  // What was given up must not leave any more.
  await at.ship(one, { name: 'late', lines: [[1, 2]], isLive: true })
  await at.apply()
  expect(await at.suspicions(one)).toBe(1)
})

test('units that left after all are not given up, and an order of which nothing left is rejected', async () => {
  const one = await at.sealed()
  await reserve(one)
  await at.short(one, [[1, 3]])
  await at.ship(one, {
    name: 'a',
    lines: [
      [1, 2],
      [2, 2],
    ],
    isLive: true,
  })
  await at.apply()
  const change = { actor: 'person:ada', reason: 'refunded' }
  const first = await releaseShort(house.context, { ...change, fulfillment: one.id })
  expect(first).toMatchObject({ ok: true, value: { state: 'shipped', units: 1 } })
  const two = await at.sealed()
  await at.short(two, [
    [1, 3],
    [2, 2],
  ])
  await at.apply()
  expect(await releaseShort(house.context, { ...change, fulfillment: two.id })).toMatchObject({
    value: { state: 'rejected' },
  })
  expect(
    await at.countOf(
      `fulfillment.line_claim where fulfillment_id = '${two.id}' and state = 'live'`,
    ),
  ).toBe(0)
})

/** One round of the lane over the wire; resolves when what it began is written. */
async function runOnce(): Promise<void> {
  const partner = await findPartner(house.test.database, 'main', 'shipco')
  if (!partner) throw new Error('the partner is registered')
  const deps = laneDeps(house.deps)
  await deps.handshakes.askAll([partner])
  const completions = openCompletionLane(deps)
  const work: Promise<void>[] = []
  await runLane(deps, partner, completions, (one) => void work.push(one))
  await Promise.all(work)
  await completions.idle()
}
const reject = (retriable: boolean) =>
  house.faults([
    { match: { method: 'POST' }, fault: 'reject_orders', times: 1, code: 'no_stock', retriable },
  ])

test('a refused order comes back line by line to a person, who may send it again once', async () => {
  await runOnce()
  await reject(false)
  const one = await at.sealed()
  await runOnce()
  expect(await at.stateOf(one)).toBe('rejected')
  expect(await at.openCasesOf(one)).toEqual(['partial_rejection'])
  const lines = await house.query(
    `select line_id, qty::int, state from fulfillment.open_line where fulfillment_id = '${one.id}' order by 1`,
  )
  expect(lines).toEqual([
    { line_id: '1', qty: 3, state: 'open' },
    { line_id: '2', qty: 2, state: 'open' },
  ])
  const change = { fulfillment: one.id, actor: 'person:ada', reason: 'has it again' }
  const both = await Promise.all([1, 2, 3].map(() => resendRejected(house.context, change)))
  expect(both.filter((outcome) => outcome.ok)).toHaveLength(1)
  expect(await at.openCasesOf(one)).toEqual([])
  await runOnce()
  expect(await at.stateOf(one)).toBe('accepted')
  const taken = (await house.ledger()).filter((row) => row.fulfillment_id === one.id)
  expect(taken).toHaveLength(1)
  expect(
    await at.countOf(
      `fulfillment.line_claim where fulfillment_id = '${one.id}' and state = 'live'`,
    ),
  ).toBe(1)
  expect(await resendRejected(house.context, change)).toMatchObject({
    refusal: { code: 'fulfillment_state' },
  })
})

test('an order that the partner may take later goes to it again by itself, ever later, and then to a person', async () => {
  const one = await at.sealed()
  const waits: unknown[] = []
  for (let times = 0; times < 2; times += 1) {
    await reject(true)
    await runOnce()
    expect(await at.stateOf(one)).toBe('open')
    const rows = await house.query(
      `select round(extract(epoch from effective_at - now()) / 60)::int as minutes
         from fulfillment.fulfillment_order where id = '${one.id}'`,
    )
    waits.push(rows[0]?.['minutes'])
    await house.asOwner(
      `update fulfillment.fulfillment_order set effective_at = now() where id = '${one.id}'`,
    )
    await sealBatch(house.context, 'shipco', house.deps)
  }
  expect(waits).toEqual([10, 20])
  await reject(true)
  await runOnce()
  expect(await at.stateOf(one)).toBe('rejected')
  expect(await at.openCasesOf(one)).toEqual(['partial_rejection'])
  expect((await house.ledger()).filter((row) => row.fulfillment_id === one.id)).toEqual([])
  expect(await at.broken()).not.toContain(
    'units that a partner will not ship are with a person, or decided on',
  )
})

test('what was asked back while its partner refused it does not go there again by itself', async () => {
  const refused = async (one: Order) => {
    await house.asOwner(
      `update fulfillment.fulfillment_order set state = 'rejected' where id = '${one.id}';
       update fulfillment.line_claim set state = 'rejected' where fulfillment_id = '${one.id}'`,
    )
    const answer = { fulfillmentId: one.id, code: 'busy', isRetriable: true }
    return withTransaction(house.test.database, (tx) => returnRejected(tx, 'main', [answer]))
  }
  const wanted = await at.sealed()
  expect(await refused(wanted)).toMatchObject([{ kind: 'fulfillment.resent' }])
  expect(await at.stateOf(wanted)).toBe('open')
  const one = await at.sealed()
  const wish = { id: newId('cxl'), orderId: one.order, revision: 1, kind: 'cancel' } as const
  expect(orThrow(await withdrawOrder(house.context, wish))).toMatchObject({ kind: 'recalling' })
  expect(await refused(one)).toEqual([])
  expect(await at.stateOf(one)).toBe('rejected')
  expect(orThrow(await withdrawOrder(house.context, wish))).toMatchObject({ kind: 'withdrawn' })
})

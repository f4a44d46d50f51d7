import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { sealBatch } from '../seal/seal-batch.ts'
import { KEYS, openWarehouse, opened, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'
import { receiveHandOver } from './receive-hand-over.ts'

let house: Warehouse
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true })
})
afterAll(() => house.stop())

const PROMISED = Date.parse('2027-01-04T23:59:59Z')
const body = z.object({
  orders: z.array(z.object({ fulfillment_id: z.string(), ship_by: z.string().optional() })),
})

async function stateOf(order: string) {
  const [row] = await house.query(
    `select f.id, f.state, f.ship_by, d.ship_by as dispatch_ship_by, convert_from(b.bytes, 'UTF8') as body
       from fulfillment.fulfillment_order f
       left join fulfillment.dispatch d on d.id = f.dispatch_id
       left join fulfillment.sealed_body b on b.dispatch_id = f.dispatch_id
      where f.order_id = '${order}'`,
  )
  return z
    .object({
      id: z.string(),
      state: z.string(),
      ship_by: z.date().nullable(),
      dispatch_ship_by: z.date().nullable(),
      body: z.string().nullable(),
    })
    .parse(row)
}
const seal = () => sealBatch(house.context, 'shipco', house.deps)
const sealedPromise = (row: Awaited<ReturnType<typeof stateOf>>) =>
  body.parse(JSON.parse(row.body ?? '{}')).orders.find((one) => one.fulfillment_id === row.id)
    ?.ship_by

describe('a promise', () => {
  test('travels from the record to the fulfillment order, the dispatch and the sealed body', async () => {
    await house.handOver(
      record('ord_far', { shipByMs: PROMISED + 86_400_000 }),
      record('ord_near', { shipByMs: PROMISED }),
    )
    await seal()
    const row = await stateOf('ord_far')
    expect(row).toMatchObject({ state: 'sealed', ship_by: new Date(PROMISED + 86_400_000) })
    expect(sealedPromise(row)).toBe('2027-01-05T23:59:59Z')
    expect(sealedPromise(await stateOf('ord_near'))).toBe('2027-01-04T23:59:59Z')
    // The nearest of its orders is that of the dispatch.
    expect(row.dispatch_ship_by).toEqual(new Date(PROMISED))
  })

  test('that an order does not have is in no body', async () => {
    await house.handOver(record('ord_bare', { shipByMs: null }))
    await seal()
    const row = await stateOf('ord_bare')
    expect(row).toMatchObject({ state: 'sealed', ship_by: null, dispatch_ship_by: null })
    expect(row.body).not.toContain('ship_by')
  })

  test.each([
    ['dropped', null],
    ['changed', PROMISED + 1_000],
  ])('that was %s beside its certificate holds the order', async (how, shipByMs) => {
    const order = `ord_${how}`
    await house.handOver({ ...record(order, { shipByMs: PROMISED }), shipByMs })
    expect(await stateOf(order)).toMatchObject({ state: 'held' })
  })

  test('that differs from the one held of the same order refuses the batch', async () => {
    await house.handOver(record('ord_turn', { verdict: 'hold', shipByMs: PROMISED }))
    const other = record('ord_turn', { decisionNumber: 2, shipByMs: PROMISED + 1_000 })
    const outcome = await receiveHandOver(house.context, KEYS, opened([other]))
    expect(outcome).toMatchObject({ ok: false, refusal: { code: 'order_digest_mismatch' } })
    expect(await stateOf('ord_turn')).toMatchObject({ state: 'held' })
  })

  test.each(['received_order', 'fulfillment_order'])(
    'that was moved by hand in %s is not sealed: the certificate and the other row say otherwise',
    async (table) => {
      const order = `ord_${table}`
      await house.handOver(record(order, { shipByMs: PROMISED }))
      await house.asOwner(
        `update fulfillment.${table} set ship_by = ship_by + interval '1 day' where order_id = '${order}'`,
      )
      await seal()
      expect(await stateOf(order)).toMatchObject({ state: 'held', body: null })
    },
  )

  test('cannot be moved by the role that the roles run as', async () => {
    await expect(
      house.query(`update fulfillment.fulfillment_order set ship_by = null`),
    ).rejects.toThrow(/permission denied/)
  })
})

import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { openWarehouse, record } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'

let house: Warehouse
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true })
})
afterAll(() => house.stop())

test('a partner that restored an old backup is sent nothing more, and a person is told', async () => {
  const worker = await house.startWorker()
  try {
    for (const order of ['ord_restore_1', 'ord_restore_2']) {
      await house.handOver(record(order))
      await vi.waitFor(
        async () =>
          expect(
            await house.query(
              `select f.state from fulfillment.fulfillment_order f
                 join fulfillment.dispatch d on d.id = f.dispatch_id
                where f.order_id = '${order}' and d.state = 'accepted'`,
            ),
          ).toHaveLength(1),
        20_000,
      )
    }
    await house.faults([{ match: { nth: 1 }, fault: 'partner_restore', value: 2 }])
    await house.handOver(record('ord_restore_3'))
    await vi.waitFor(
      async () =>
        expect(
          await house.query(
            `select p.paused_reason, c.kind from partners.partner p
               join cases."case" c on c.partner_id = p.id`,
          ),
        ).toEqual([{ paused_reason: 'sequence_regressed', kind: 'partner_regressed' }]),
      20_000,
    )
    await house.handOver(record('ord_restore_4'))
    await worker.stop()
    const taken = await house.ledger()
    expect(taken).toHaveLength(3)
    expect(taken.map((row) => row.acceptances)).toEqual([1, 1, 1])
  } finally {
    await worker.stop()
  }
})

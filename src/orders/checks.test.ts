import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { invariant } from '#kernel/index.ts'
import { createTestContext, createTestDatabase } from '../../tests/database.ts'
import type { TestDatabase } from '../../tests/database.ts'
import { aRequest, anOrder, stockShop, testPlacing } from '../../tests/shop.ts'
import { orderChecks } from './checks.ts'

let db: TestDatabase
let owner: Client
beforeAll(async () => {
  db = await createTestDatabase()
  owner = new Client({ connectionString: db.ownerUrl })
  await owner.connect()
  const context = await createTestContext(db.database)
  await stockShop(context, { A: 100 })
  const placing = testPlacing(context)
  for (const name of ['one', 'two', 'three']) {
    const outcome = await placing.place(
      aRequest(
        anOrder({
          order_id: name,
          lines: [
            { sku: 'A', qty: 2 },
            { sku: 'A', qty: 1, unit_price_minor: 100 },
          ],
          charges: [{ code: 'POST', qty: 1, unit_price_minor: 300 }],
        }),
      ),
    )
    invariant(outcome.kind === 'placed', 'the shop takes its orders')
  }
})
afterAll(async () => {
  await owner.end()
  await db.drop()
})

// As the owner, in a transaction that is rolled back: the runtime role could not break these.
async function violatedBy(damage: string): Promise<readonly string[]> {
  await owner.query('begin')
  try {
    await owner.query(damage)
    const violated: string[] = []
    for (const { claim, find } of orderChecks) {
      const { rowCount } = await owner.query(find.text, ['main'])
      if ((rowCount ?? 0) > 0) violated.push(claim)
    }
    return violated
  } finally {
    await owner.query('rollback')
  }
}

const ONE = `(select id from orders."order" where reference = 'one')`

test('a shop that only took orders breaks no claim', async () => {
  expect(await violatedBy('select 1')).toEqual([])
})

test.each([
  [
    'every placed order reserved exactly its lines',
    `update inventory.movement set reserved_delta = reserved_delta + 1
      where kind = 'reserve' and line_no = 1 and subject_id = ${ONE}`,
  ],
  [
    'every placed order reserved exactly its lines',
    `delete from inventory.movement where kind = 'reserve' and subject_id = ${ONE}`,
  ],
  [
    'no cancelled or rejected order has stock reserved',
    `delete from orders.handover_outbox; update orders."order" set state = 'cancelled' where reference = 'one'`,
  ],
  [
    'every reservation belongs to an order or a checkout',
    `insert into inventory.movement
       (merchant_id, subject_id, line_no, location_id, kind, source_id, sku, on_hand_delta, reserved_delta)
     values ('main', 'chk_gone', 1, 'loc-shipco', 'reserve', 'chk_gone', 'A', 0, 1)`,
  ],
  [
    'the decisions of every order count up from one without a gap',
    `update orders.decision set number = 2 where order_id = ${ONE}; delete from orders.handover_outbox`,
  ],
  [
    'the last decision is on the order as it stands',
    `update orders."order" set revision = 2 where reference = 'one'`,
  ],
  [
    'the last decision is on the order as it stands',
    `update orders."order" set order_digest = sha256('x') where reference = 'one'`,
  ],
  [
    'every reference stands for the order that bears it',
    `delete from orders.order_reference where reference = 'one'`,
  ],
  [
    'every reference stands for the order that bears it',
    `update orders.order_reference set order_id = ${ONE} where reference = 'two'`,
  ],
  [
    'every idempotency key and completed checkout stands for an order that exists',
    `insert into orders.idempotency_key (merchant_id, scope, key, request_sha256, order_id)
     values ('main', 's', 'k', sha256('x'), 'ord_gone')`,
  ],
  [
    'every idempotency key and completed checkout stands for an order that exists',
    `insert into orders.checkout (merchant_id, id, state, input, order_id, expires_at)
     values ('main', 'chk_1', 'completed', '{}', 'ord_gone', now())`,
  ],
  [
    'what waits for the hand-over is a decision on a placed order',
    `update orders.handover_outbox set number = 7 where order_id = ${ONE}`,
  ],
  [
    'goods and total of every order are the sums of its lines and charges',
    `update orders."order" set goods_minor = goods_minor + 1 where reference = 'one'`,
  ],
  [
    'goods and total of every order are the sums of its lines and charges',
    `update orders."order" set charges = null where reference = 'one'`,
  ],
  [
    'every order is told of in the event log',
    `delete from platform.event where kind = 'order.placed' and subject_id = ${ONE}`,
  ],
])('verify finds it where this is broken, and nothing else: %s', async (claim, damage) => {
  expect(await violatedBy(damage)).toEqual([claim])
})

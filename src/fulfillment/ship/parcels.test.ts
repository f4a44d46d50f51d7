import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { registerPartner } from '#partners/index.ts'
import { MASTER_KEY, openWarehouse } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'
import { ORDERED, parcelsOf } from './parcels.fixture.ts'
import type { Order, Parcel } from './parcels.fixture.ts'

let house: Warehouse
let at: ReturnType<typeof parcelsOf>
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true })
  at = parcelsOf(house)
})
afterAll(() => house.stop())

const quantity = fc.integer({ min: 1, max: 3 })
const parcels = fc.uniqueArray(
  fc.record({
    name: fc.integer({ min: 1, max: 6 }).map(String),
    lines: fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 2 }), quantity), {
      maxLength: 2,
      selector: ([line]) => line,
    }),
    isLive: fc.nat(5).map((chance) => chance > 0),
  }),
  { maxLength: 5, selector: (one) => one.name },
)
type Step = { readonly parcel: number; readonly appliesFirst: boolean }

test('whatever the order, the doubles and the replays: units, stock, state and suspicion are those of the model', async () => {
  const steps = fc.array(fc.record({ parcel: fc.nat(), appliesFirst: fc.boolean() }), {
    maxLength: 12,
  })
  await fc.assert(
    fc.asyncProperty(parcels, steps, async (told, order) => {
      const one = await at.sealed()
      const arrived: Parcel[] = []
      const say = async ({ parcel, appliesFirst }: Step) => {
        const next = told[parcel % Math.max(1, told.length)]
        if (!next) return
        if (!arrived.includes(next)) arrived.push(next)
        if (appliesFirst) await at.apply()
        await at.ship(one, next)
      }
      for (const step of order) await say(step)
      await at.apply()
      await compare(one, arrived)
    }),
    { numRuns: 60 },
  )
})

/** The model: sums over the set of parcels, whatever the order in which they came. */
async function compare(one: Order, arrived: readonly Parcel[]): Promise<void> {
  const unitsOf = (line: number) =>
    arrived
      .flatMap((parcel) => parcel.lines.filter(([id]) => id === line))
      .reduce((sum, [, qty]) => sum + qty, 0)
  const isOver = ORDERED.some((qty, index) => unitsOf(index + 1) > qty)
  const isWhole = ORDERED.every((qty, index) => unitsOf(index + 1) >= qty)
  const isAllLive = arrived.every((parcel) => parcel.isLive)
  const unlisted = arrived.filter((parcel) => parcel.isLive && parcel.lines.length === 0).length
  const issued = await house.query(
    `select coalesce(-sum(on_hand_delta), 0)::int as n from inventory.movement
      where subject_id = '${one.order}' and kind = 'issue'`,
  )
  expect(issued[0]?.['n']).toBe(unitsOf(1) + unitsOf(2))
  expect(await at.countOf(`fulfillment.shipment where fulfillment_id = '${one.id}'`)).toBe(
    arrived.length,
  )
  const isSuspect = isOver || !isAllLive
  expect((await at.suspicions(one)) > 0).toBe(isSuspect)
  const cases = await at.openCasesOf(one)
  expect(cases.includes('double_ship')).toBe(isSuspect)
  expect(cases.filter((kind) => kind === 'parcel_without_lines')).toHaveLength(unlisted)
  // With a parcel that is not live the state hangs on when it came; it is suspected either way.
  const states = isAllLive ? [isWhole ? 'shipped' : 'sealed'] : ['sealed', 'shipped']
  expect(states).toContain(await at.stateOf(one))
}

test.each<readonly [string, readonly Parcel[], string]>([
  [
    'more units than were ordered',
    [
      {
        name: 'a',
        lines: [
          [1, 3],
          [2, 2],
        ],
        isLive: true,
      },
      { name: 'b', lines: [[1, 1]], isLive: true },
    ],
    'over_shipped',
  ],
  [
    'one unit in two parcels, though fewer units than were ordered',
    [
      { name: 'a', lines: [[1, 1]], units: ['SN-1'], isLive: true },
      { name: 'b', lines: [[1, 1]], units: ['SN-1'], isLive: true },
    ],
    'unit_twice',
  ],
  [
    'a line by a dispatch that does not claim it',
    [{ name: 'a', lines: [[1, 1]], isLive: false }],
    'not_live',
  ],
])('%s is suspected to be a double ship, and a person has an hour', async (_, told, reason) => {
  const one = await at.sealed()
  for (const parcel of told) await at.ship(one, parcel)
  await at.apply()
  const events = await house.query(
    `select data->>'reason' as reason from platform.event
      where kind = 'double_ship_suspected' and subject_id = '${one.id}'
        and data->>'reason' <> 'accepted_twice'`,
  )
  expect(events).toEqual([{ reason }])
  const cases = await house.query(
    `select kind, due_at <= opened_at + interval '1 hour' as is_soon from cases."case" where order_id = '${one.order}'`,
  )
  expect(cases).toEqual([{ kind: 'double_ship', is_soon: true }])
})

test('an order that another partner ships is suspected, and its stock is left alone', async () => {
  const one = await at.sealed()
  orThrow(
    await registerPartner(house.context, MASTER_KEY, {
      id: 'other',
      url: 'https://other.example',
      actor: 'test',
    }),
  )
  const parcel = { shipment_id: 'o-1', fulfillment_id: one.id, lines: [at.lineOf([1, 3])] }
  await at.tell('shipment.shipped', one.key, { shipments: [parcel] }, 'other')
  await at.apply()
  expect(await at.suspicions(one)).toBe(1)
  expect(await at.countOf(`inventory.movement where subject_id = '${one.order}'`)).toBe(0)
  expect(await at.stateOf(one)).toBe('sealed')
})

test('a second tracking number without lines opens a case and does not page', async () => {
  const one = await at.sealed()
  await at.ship(one, {
    name: 'a',
    lines: [
      [1, 3],
      [2, 2],
    ],
    isLive: true,
  })
  await at.ship(one, { name: 'b', lines: [], isLive: true })
  await at.apply()
  expect(await at.suspicions(one)).toBe(0)
  expect(await at.openCasesOf(one)).toEqual(['parcel_without_lines'])
  expect(await at.stateOf(one)).toBe('shipped')
})

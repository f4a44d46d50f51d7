import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { registerPartner } from '#partners/index.ts'
import { withTransaction } from '#platform/index.ts'
import type { Log } from '#platform/index.ts'
import { metrics } from '#telemetry/index.ts'
import { sealBatch } from '../seal/seal-batch.ts'
import { MASTER_KEY, openWarehouse } from '../warehouse.fixture.ts'
import type { Warehouse } from '../warehouse.fixture.ts'
import { recordAcceptances } from './acceptance-evidence.ts'
import { parcelsOf } from './parcels.fixture.ts'
import type { Order } from './parcels.fixture.ts'

let house: Warehouse
let at: ReturnType<typeof parcelsOf>
let before = 0
const errors: string[] = []
const quiet = () => undefined
const keep = (_: object, message: string) => void errors.push(message)
const log: Log = { debug: quiet, info: quiet, warn: quiet, error: keep }
beforeAll(async () => {
  house = await openWarehouse({ isDeaf: true, log })
  at = parcelsOf(house)
  const other = { id: 'other', url: 'https://other.example', actor: 'test' }
  orThrow(await registerPartner(house.context, MASTER_KEY, other))
})
afterAll(() => house.stop())
beforeEach(async () => {
  errors.length = 0
  before = await total()
})

const FOREIGN = `hfd1-${'b'.repeat(32)}`
const OTHER_FOREIGN = `hfd1-${'c'.repeat(32)}`
const PAGE = 'page: a partner accepted an order that our books have by another dispatch'

/** The counter as it would be scraped. */
async function total(): Promise<number> {
  const text = await metrics.registry.getSingleMetricAsString('webhook_duplicate_dispatches_total')
  return Number(/^webhook_duplicate_dispatches_total (\d+)$/m.exec(text)?.[1])
}
const counted = async () => (await total()) - before
const accepted = (one: Order, key = one.key, partner = 'shipco') =>
  at.tell('dispatch.accepted', key, { fulfillments: [one.id] }, partner)
const shipped = (one: Order, name: string, key = one.key, partner = 'shipco') => {
  const parcel = { shipment_id: `${one.id}-${name}`, fulfillment_id: one.id, lines: [] }
  return at.tell('shipment.shipped', key, { shipments: [parcel] }, partner)
}
const evidenceOf = (one: Order) =>
  house.query(
    `select partner_id, dispatch_key, source, generation from fulfillment.acceptance_evidence
      where fulfillment_id = '${one.id}' order by seen_at`,
  )
const toldTwice = (one: Order) =>
  at.countOf(
    `platform.event where subject_id = '${one.id}' and kind = 'double_ship_suspected'
        and data->>'reason' = 'accepted_twice'`,
  )
/** The order as it is once its claim was given back and it was sealed again, into another dispatch. */
async function sealedAgain(one: Order, claim: 'rejected' | 'recalled'): Promise<Order> {
  await house.asOwner(
    `update fulfillment.line_claim set state = '${claim}' where fulfillment_id = '${one.id}';
     update fulfillment.fulfillment_order set state = 'open', dispatch_id = null where id = '${one.id}'`,
  )
  await sealBatch(house.context, 'shipco', house.deps)
  const [row] = await house.query(
    `select d.key from fulfillment.fulfillment_order f
       join fulfillment.dispatch d on d.id = f.dispatch_id where f.id = '${one.id}'`,
  )
  expect(row?.['key']).not.toBe(one.key)
  return { ...one, key: String(row?.['key']) }
}

test.each([
  ['an acceptance under a key that is not ours', 'event', FOREIGN, 'shipco'],
  ['an acceptance under our key by another partner', 'event', undefined, 'other'],
  ['a parcel under a key that is not ours', 'shipment', FOREIGN, 'shipco'],
  ['a parcel of another partner', 'shipment', undefined, 'other'],
] as const)(
  '%s is a second acceptance: kept, told and counted once',
  async (_, source, key, by) => {
    const one = await at.sealed()
    const tell = (name: string) =>
      source === 'event' ? accepted(one, key, by) : shipped(one, name, key, by)
    await tell('first')
    await at.apply()
    expect(await counted()).toBe(1)
    expect(await evidenceOf(one)).toEqual([
      { partner_id: by, dispatch_key: key ?? one.key, source, generation: 1 },
    ])
    expect(await at.openCasesOf(one)).toContain('double_ship')
    expect(errors.filter((message) => message === PAGE)).toHaveLength(1)
    // Told again, by the same means and by the other: it is the same acceptance.
    await tell('second')
    await accepted(one, key, by)
    await at.apply()
    await shipped(one, 'third', key, by)
    await at.apply()
    expect(await counted()).toBe(1)
    expect(await toldTwice(one)).toBe(1)
  },
)

test('our own acceptance does not count, however often and by whatever it is told', async () => {
  const one = await at.sealed()
  for (const name of ['a', 'b']) {
    await accepted(one)
    await shipped(one, name)
    await at.apply()
  }
  expect(await counted()).toBe(0)
  // The statement says so by itself, whoever asks.
  const own = { partner: 'shipco', key: one.key, fulfillment: one.id, source: 'shipment' } as const
  const found = await withTransaction(house.test.database, (tx) =>
    recordAcceptances(tx, 'main', [own]),
  )
  expect(found).toEqual({ events: [], second: [], unclaimed: [] })
  expect(await evidenceOf(one)).toEqual([])
})

test('each further acceptance counts, also where one event lists many orders', async () => {
  const [one, two] = [await at.sealed(), await at.sealed()]
  const both = { fulfillments: [one.id, two.id, one.id, 'ful_nobody'] }
  await at.tell('dispatch.accepted', FOREIGN, both)
  await accepted(one, OTHER_FOREIGN)
  await at.apply()
  expect(await counted()).toBe(3)
  expect(await toldTwice(one)).toBe(2)
})

test('an acceptance that two processes learn of at once counts once', async () => {
  const one = await at.sealed()
  const { database } = house.test
  const told = [
    { partner: 'shipco', key: FOREIGN, fulfillment: one.id, source: 'manifest' },
    { partner: 'shipco', key: FOREIGN, fulfillment: one.id, source: 'event' },
  ] as const
  await house.asOwner(
    `update fulfillment.fulfillment_order set state = 'accepted' where id = '${one.id}'`,
  )
  let isSecondDone = false
  const [first, second] = await withTransaction(database, async (tx) => {
    const mine = await recordAcceptances(tx, 'main', told.slice(0, 1))
    const other = withTransaction(database, (own) => recordAcceptances(own, 'main', told.slice(1)))
    void other.then(() => (isSecondDone = true))
    await vi.waitFor(async () => {
      const waiting = await house.query(
        `select pid from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`,
      )
      expect(isSecondDone || waiting.length > 0).toBe(true)
    })
    return [mine, { other }] as const
  })
  expect(first.second).toHaveLength(1)
  expect((await second.other).second).toEqual([])
  expect(await at.openCasesOf(one)).toEqual(['double_ship'])
})

test('a transaction that is tried again counts once', async () => {
  const one = await at.sealed()
  await house.asOwner(
    `create sequence public.tries;
     grant select on sequence public.tries to holdfast_app;
     create function public.fail_once() returns trigger language plpgsql security definer as $$
     begin
       if nextval('public.tries') = 1 then raise exception 'once' using errcode = '40P01'; end if;
       return new;
     end $$;
     create trigger fail_once before update on fulfillment.inbox
       for each row execute function public.fail_once()`,
  )
  await accepted(one, FOREIGN)
  await at.apply()
  await house.asOwner('drop trigger fail_once on fulfillment.inbox')
  expect(await house.query('select last_value > 1 as is_again from public.tries')).toEqual([
    { is_again: true },
  ])
  expect([await counted(), await toldTwice(one)]).toEqual([1, 1])
  expect(errors.filter((message) => message === PAGE)).toHaveLength(1)
})

test('what was refused and is accepted after all is a second acceptance of what another dispatch has', async () => {
  const one = await at.sealed()
  const again = await sealedAgain(one, 'rejected')
  await accepted(again)
  await at.apply()
  expect(await counted()).toBe(0)
  await accepted(one)
  await at.apply()
  expect(await counted()).toBe(1)
})

test('what was given back binds nobody, until its goods leave all the same', async () => {
  const one = await at.sealed()
  await sealedAgain(one, 'recalled')
  await accepted(one)
  await at.apply()
  expect(await counted()).toBe(0)
  await shipped(one, 'late')
  await at.apply()
  expect(await counted()).toBe(1)
})

test('one acceptance is of one generation, also where it is told of again in the next', async () => {
  const one = await at.sealed()
  await accepted(one, FOREIGN)
  await at.apply()
  await house.asOwner(
    `update fulfillment.acceptance_evidence set generation = 7 where fulfillment_id = '${one.id}'`,
  )
  await accepted(one, FOREIGN)
  await at.apply()
  expect(await counted()).toBe(1)
})

test('an acceptance of an order that no dispatch of ours has is the first: loud, and not counted', async () => {
  const one = await at.sealed()
  await house.asOwner(
    `update fulfillment.line_claim set state = 'recalled' where fulfillment_id = '${one.id}';
     update fulfillment.fulfillment_order set state = 'open', dispatch_id = null where id = '${one.id}'`,
  )
  await accepted(one, FOREIGN)
  await at.apply()
  expect([await counted(), await evidenceOf(one)]).toEqual([0, []])
  expect(errors).toEqual(['a partner accepted an order that no dispatch of ours has'])
})

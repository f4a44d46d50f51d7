import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { feedHealth } from '#platform/index.ts'
import { pauseSubscription, resumeSubscription } from '../change-subscription.ts'
import { rotateSecret } from '../subscription-secrets.ts'
import { findSubscription } from '../subscription.ts'
import {
  cancelled,
  eventually,
  isSignedBy,
  MASTER_KEY,
  openReceiver,
  openShop,
} from '../receiver.fixture.ts'
import { fanOut } from './fan-out.ts'
import { findDelivery, listDeliveries } from './delivery-log.ts'
import { replayDelivery } from './replay-delivery.ts'
import type { SubscriptionWorker } from './run-subscriptions.ts'
import { sweepDeliveries } from './sweep-deliveries.ts'

let shop: Awaited<ReturnType<typeof openShop>>
let worker: SubscriptionWorker | undefined
beforeAll(async () => {
  shop = await openShop()
})
afterAll(() => shop.stop())
// Where the feed ends is held back by any open transaction of the cluster, also of other tests: what came
// before a subscription, and is not yet in the feed, would be told to it.
const feedIsRead = () =>
  eventually(async () =>
    expect(await feedHealth(shop.test.database, 'main')).toMatchObject({ lagS: 0 }),
  )
beforeEach(feedIsRead)
afterEach(async () => {
  await worker?.stop()
  worker = undefined
  // What a test leaves behind must not be delivered in the next one.
  await shop.asOwner(`update subscriptions.subscription set deleted_at = now()`)
})

const receiver = async () => {
  const one = await openReceiver()
  onTestFinished(() => one.close())
  return one
}
const by = (subscription: string) => ({ subscription, actor: 'person:ada', reason: 'test' })
const find = (id: string) => findSubscription(shop.test.database, 'main', id)
const deliveries = (subscription: string) =>
  listDeliveries(shop.test.database, 'main', { subscription, limit: 100 })
const hurry = () =>
  shop.asOwner(`update subscriptions.delivery set next_attempt_at = now()
                 where state = 'pending' and lease_token is null;
                update subscriptions.subscription set not_before = now()`)

test('an event arrives once, signed, with its id, its body and a line in the log', async () => {
  const endpoint = await receiver()
  const { id, secret = '' } = await shop.subscribe(endpoint.url)
  worker = shop.startWorker()
  await shop.append({ subjectId: 'ord_1', kind: 'order.cancelled', data: { units_released: 3 } })
  await eventually(async () =>
    expect(await deliveries(id)).toMatchObject([{ state: 'delivered', attempt: 1 }]),
  )
  const [got] = endpoint.seen
  expect(endpoint.seen).toHaveLength(1)
  expect(got?.event).toMatchObject({
    type: 'order.cancelled',
    version: 1,
    data: { order_id: 'ord_1', units_released: 3 },
  })
  expect(got && isSignedBy(secret, got)).toBe(true)
  expect(got?.headers['content-type']).toBe('application/json')
  const at = { subscription: id, delivery: got?.id ?? '' }
  const kept = await findDelivery(shop.test.database, 'main', at)
  expect(kept?.body.toString()).toBe(got?.body)
  expect(kept?.attempts).toMatchObject([{ attempt: 1, outcome: 'delivered', status: 204 }])
})

test('every retry carries the same id and bytes, and the log has each with its answer', async () => {
  const endpoint = await receiver()
  const { id } = await shop.subscribe(endpoint.url)
  const answers = [500, 302, 404]
  endpoint.state.answer = () => answers.shift() ?? 200
  worker = shop.startWorker()
  await shop.append(...cancelled(1))
  await eventually(async () => {
    await hurry()
    expect(await deliveries(id)).toMatchObject([{ state: 'delivered', attempt: 4 }])
  })
  expect(new Set(endpoint.seen.map((one) => `${one.id} ${one.body}`)).size).toBe(1)
  const at = { subscription: id, delivery: endpoint.seen[0]?.id ?? '' }
  const kept = await findDelivery(shop.test.database, 'main', at)
  expect(kept?.attempts.map((one) => one.code)).toEqual([
    'http_200',
    'http_404',
    'http_302',
    'http_500',
  ])
  expect(await find(id)).toMatchObject({ failures: 0, failingSince: null })
})

test('a subscription is told of what it asked for, and of nothing from before', async () => {
  const endpoint = await receiver()
  await shop.append(...cancelled(3, 'before'))
  await feedIsRead()
  const all = await receiver()
  await shop.subscribe(endpoint.url, { events: ['order.held', 'stock.changed'] })
  await shop.subscribe(all.url)
  worker = shop.startWorker()
  await shop.append(
    { subjectId: 'a', kind: 'order.placed', data: { verdict: 'hold', reasons: ['value'] } },
    { subjectId: 'b', kind: 'order.placed', data: { verdict: 'clear' } },
    { subjectId: 'c', kind: 'inventory.counted', data: { lines: 2 } },
    { subjectId: 'd', kind: 'handover.received' },
  )
  await eventually(() => expect(all.seen).toHaveLength(5))
  await eventually(() =>
    expect(endpoint.seen.map((one) => one.event.type).toSorted()).toEqual([
      'order.held',
      'stock.changed',
    ]),
  )
  expect(new Set(all.seen.map((one) => one.id)).size).toBe(5)
  const both = endpoint.seen.filter((one) => all.ids().has(one.event.id))
  expect(both).toHaveLength(2)
  expect(both.some((one) => all.seen.some((other) => other.id === one.id))).toBe(false)
})

test('a pause keeps the place: what came meanwhile is delivered after the resume', async () => {
  const endpoint = await receiver()
  const { id } = await shop.subscribe(endpoint.url, { events: ['order.cancelled'] })
  worker = shop.startWorker()
  orThrow(await pauseSubscription(shop.context, by(id)))
  await shop.append(...cancelled(20))
  const other = await receiver()
  await shop.subscribe(other.url, { events: ['order.cancelled'] })
  await shop.append(...cancelled(1, 'later'))
  await eventually(() => expect(other.ids().size).toBeGreaterThan(0))
  expect(endpoint.seen).toHaveLength(0)
  orThrow(await resumeSubscription(shop.context, by(id)))
  await eventually(() => expect(endpoint.ids().size).toBe(21))
  const told = await shop.rows(
    `select kind from platform.event where subject_id = $1 order by xact, id`,
    [id],
  )
  expect(told.map((row) => row['kind'])).toEqual(['subscription.paused', 'subscription.resumed'])
  const audit = await shop.rows(
    `select action, actor, reason from platform.audit where subject_id = $1 order by id`,
    [id],
  )
  expect(audit.slice(1)).toEqual([
    { action: 'webhook.paused', actor: 'person:ada', reason: 'test' },
    { action: 'webhook.resumed', actor: 'person:ada', reason: 'test' },
  ])
})

test('410 pauses with notice to everybody else, and the event waits', async () => {
  const endpoint = await receiver()
  const watcher = await receiver()
  endpoint.state.answer = () => 410
  const { id } = await shop.subscribe(endpoint.url)
  await shop.subscribe(watcher.url, { events: ['subscription.paused'] })
  worker = shop.startWorker()
  await shop.append(...cancelled(1))
  await eventually(async () => expect(await find(id)).toMatchObject({ pausedReason: 'gone' }))
  await eventually(() =>
    expect(watcher.seen[0]?.event.data).toEqual({ subscription_id: id, reason: 'gone' }),
  )
  expect(await deliveries(id)).toMatchObject([{ state: 'pending', last_code: 'http_410' }])
  endpoint.state.answer = () => 200
  orThrow(await resumeSubscription(shop.context, by(id)))
  await eventually(async () =>
    expect((await deliveries(id)).map((one) => one.state)).toEqual(['delivered']),
  )
  expect(endpoint.seen.every((one) => one.event.type === 'order.cancelled')).toBe(true)
})

test('an endpoint that fails for three days is paused, and loses nothing', async () => {
  const endpoint = await receiver()
  endpoint.state.answer = () => 503
  const { id } = await shop.subscribe(endpoint.url, { events: ['order.cancelled'] })
  worker = shop.startWorker()
  await shop.append(...cancelled(3))
  await eventually(async () => {
    await hurry()
    expect((await find(id))?.failures).toBeGreaterThanOrEqual(10)
  })
  expect(await find(id)).toMatchObject({ pausedAt: null })
  await shop.asOwner(
    `update subscriptions.subscription set failing_since = now() - interval '73 hours'
      where id = '${id}'`,
  )
  await eventually(async () => {
    await hurry()
    expect(await find(id)).toMatchObject({ pausedReason: 'failing' })
  })
  endpoint.state.answer = () => 204
  const before = endpoint.seen.length
  orThrow(await resumeSubscription(shop.context, by(id)))
  await eventually(async () =>
    expect((await deliveries(id)).map((one) => one.state)).toEqual([
      'delivered',
      'delivered',
      'delivered',
    ]),
  )
  expect(new Set(endpoint.seen.slice(before).map((one) => one.id)).size).toBe(3)
}, 60_000)

test('after twelve tries a delivery is given up with notice, and replays under its own id', async () => {
  const endpoint = await receiver()
  endpoint.state.answer = ({ body }) => (body.includes('ord_poison') ? 400 : 200)
  const { id } = await shop.subscribe(endpoint.url, { events: ['order.cancelled'] })
  const watcher = await receiver()
  await shop.subscribe(watcher.url, { events: ['subscription.delivery_failed'] })
  worker = shop.startWorker()
  await shop.append(...cancelled(1, 'ord_poison'), ...cancelled(2, 'ord_fine'))
  await eventually(async () => {
    await hurry()
    expect((await deliveries(id)).map((one) => one.state).toSorted()).toEqual([
      'delivered',
      'delivered',
      'failed',
    ])
  })
  const failed = (await deliveries(id)).find((one) => one.state === 'failed')
  expect(failed?.attempt).toBe(12)
  await eventually(() =>
    expect(watcher.seen[0]?.event.data).toMatchObject({ delivery_id: failed?.id }),
  )
  endpoint.state.answer = () => 200
  expect(await replayDelivery(shop.context, by(id))).toEqual({ ok: true, value: { replayed: 1 } })
  // The endpoint itself may be left alone for a while after its failures.
  await eventually(async () => {
    await hurry()
    expect((await deliveries(id)).every((one) => one.state === 'delivered')).toBe(true)
  })
  expect(endpoint.seen.at(-1)?.id).toBe(failed?.id)
  const again = { ...by(id), delivery: failed?.id ?? '' }
  expect(await replayDelivery(shop.context, again)).toMatchObject({ value: { replayed: 1 } })
  await eventually(async () => {
    await hurry()
    expect(endpoint.seen.filter((one) => one.id === failed?.id)).toHaveLength(14)
  })
}, 60_000)

test('replaying what is not there is refused', async () => {
  const { id } = await shop.subscribe('http://127.0.0.1:9/')
  expect(await replayDelivery(shop.context, { ...by(id), delivery: 'msg_none' })).toMatchObject({
    refusal: { code: 'delivery_unknown' },
  })
  expect(await replayDelivery(shop.context, by('whs_none'))).toMatchObject({
    refusal: { code: 'subscription_unknown' },
  })
})

test('Retry-After makes the whole endpoint wait', async () => {
  const endpoint = await receiver()
  endpoint.state.answer = () => [429, { 'retry-after': '3600' }]
  const { id } = await shop.subscribe(endpoint.url, {
    events: ['order.cancelled'],
    concurrencyMax: 1,
  })
  worker = shop.startWorker()
  await shop.append(...cancelled(3))
  await eventually(async () => {
    const [row] = await shop.rows(
      `select not_before > now() + interval '59 minutes' as waits,
              (select min(next_attempt_at) filter (where attempt > 0) > now() + interval '59 minutes'
                 from subscriptions.delivery where subscription_id = $1) as later
         from subscriptions.subscription where id = $1`,
      [id],
    )
    expect(row).toEqual({ waits: true, later: true })
  })
  expect(endpoint.seen).toHaveLength(1)
})

test('a slow endpoint is asked for no more than its bound, and holds up nobody else', async () => {
  const slow = await receiver()
  const quick = await receiver()
  const held: { readonly end: () => unknown }[] = []
  slow.state.answer = (_, response) => {
    held.push(response)
    return 'later'
  }
  const { id } = await shop.subscribe(slow.url, { events: ['order.cancelled'], concurrencyMax: 3 })
  await shop.subscribe(quick.url, { events: ['order.cancelled'] })
  worker = shop.startWorker()
  await shop.append(...cancelled(200))
  await eventually(() => expect(quick.ids().size).toBe(200))
  expect(slow.state.openMax).toBe(3)
  expect((await deliveries(id)).some((one) => one.state === 'delivered')).toBe(false)
  // Each answer makes room for one more, not for as many as the bound says.
  for (let answered = 1; answered <= 10; answered += 1) {
    held.shift()?.end()
    await eventually(() => expect(slow.seen.length).toBeGreaterThanOrEqual(3 + answered))
  }
  expect(slow.state.openMax).toBe(3)
  slow.state.answer = () => 200
  await slow.close()
}, 60_000)

test('two workers deliver each event once while nothing breaks', async () => {
  const endpoint = await receiver()
  const { id } = await shop.subscribe(endpoint.url, {
    events: ['order.cancelled'],
    concurrencyMax: 4,
  })
  worker = shop.startWorker()
  const second = shop.startWorker()
  onTestFinished(() => second.stop())
  for (let round = 0; round < 20; round += 1) await shop.append(...cancelled(10))
  await eventually(() => expect(endpoint.seen).toHaveLength(200))
  expect(endpoint.ids().size).toBe(200)
  expect(endpoint.state.openMax).toBeLessThanOrEqual(4)
  expect(await find(id)).toMatchObject({ failures: 0 })
})

test('what waits is bounded: the rest stays in the feed until there is room', async () => {
  const endpoint = await receiver()
  endpoint.state.answer = () => 503
  const { id } = await shop.subscribe(endpoint.url, { events: ['order.cancelled'] })
  worker = shop.startWorker()
  await shop.append(...cancelled(2_600))
  await eventually(async () => {
    const [row] = await shop.rows(
      `select count(*)::int4 as n from subscriptions.delivery where subscription_id = $1`,
      [id],
    )
    expect(row?.['n']).toBeGreaterThanOrEqual(1_000)
  })
  endpoint.state.answer = () => 204
  orThrow(await pauseSubscription(shop.context, by(id)))
  orThrow(await resumeSubscription(shop.context, by(id)))
  const delivered = new Set<string>()
  let waitingMax = 0
  await eventually(async () => {
    const waiting = await shop.rows(
      `select count(*)::int4 as n from subscriptions.delivery
        where subscription_id = $1 and state = 'pending'`,
      [id],
    )
    waitingMax = Math.max(waitingMax, Number(waiting[0]?.['n']))
    for (const one of endpoint.ids()) delivered.add(one)
    expect(delivered.size).toBe(2_600)
  })
  expect(waitingMax).toBeLessThanOrEqual(1_500)
}, 60_000)

test('reading on stops by itself where enough waits', async () => {
  const { id } = await shop.subscribe('http://127.0.0.1:9/', { events: ['order.cancelled'] })
  await shop.append(...cancelled(2_600))
  await eventually(async () => {
    while (await fanOut(shop.context, id)) continue
    const [row] = await shop.rows(
      `select count(*)::int4 as n from subscriptions.delivery where subscription_id = $1`,
      [id],
    )
    expect(row?.['n']).toBeGreaterThanOrEqual(1_000)
    expect(row?.['n']).toBeLessThan(1_500)
  })
})

test('while a rotation overlaps both secrets verify; after it the new one alone', async () => {
  const endpoint = await receiver()
  const { id, secret: old = '' } = await shop.subscribe(endpoint.url)
  const rotate = async (overlapS: number) =>
    orThrow(
      await rotateSecret(shop.context, MASTER_KEY, { subscription: id, actor: 'test', overlapS }),
    ).secret
  const second = await rotate(3_600)
  worker = shop.startWorker()
  await shop.append(...cancelled(1))
  await eventually(() => expect(endpoint.seen).toHaveLength(1))
  const signedBy = (secrets: readonly string[]) =>
    endpoint.seen.slice(-1).flatMap((one) => secrets.map((secret) => isSignedBy(secret, one)))
  expect(signedBy([old, second])).toEqual([true, true])
  const third = await rotate(0)
  await shop.append(...cancelled(1))
  await eventually(() => expect(endpoint.seen).toHaveLength(2))
  expect(signedBy([old, second, third])).toEqual([false, false, true])
})

test('an address that leads to a private network is not called, and is told as such', async () => {
  const endpoint = await receiver()
  const { id } = await shop.subscribe(endpoint.url)
  await shop.asOwner(`update subscriptions.subscription set allow_private = false`)
  worker = shop.startWorker()
  await shop.append(...cancelled(1))
  await eventually(async () =>
    expect(await deliveries(id)).toMatchObject([{ last_code: 'address_refused' }]),
  )
  expect(endpoint.seen).toHaveLength(0)
})

test('the log is swept: old deliveries go with their attempts, what waits stays', async () => {
  const endpoint = await receiver()
  endpoint.state.answer = ({ body }) => (body.includes('ord_bad') ? 500 : 200)
  const { id } = await shop.subscribe(endpoint.url)
  worker = shop.startWorker()
  await shop.append(...cancelled(2, 'ord_ok'), ...cancelled(1, 'ord_bad'))
  await eventually(async () =>
    expect((await deliveries(id)).filter((one) => one.attempt > 0)).toHaveLength(3),
  )
  await worker.stop()
  worker = undefined
  await sweepDeliveries(shop.context)
  expect(await deliveries(id)).toHaveLength(3)
  await shop.asOwner(
    `update subscriptions.delivery set created_at = now() - interval '40 days',
            settled_at = settled_at - interval '40 days'`,
  )
  await sweepDeliveries(shop.context)
  expect(await deliveries(id)).toMatchObject([{ state: 'pending' }])
  expect(
    await shop.rows(
      `select distinct outcome from subscriptions.attempt where subscription_id = $1`,
      [id],
    ),
  ).toEqual([{ outcome: 'refused' }])
})

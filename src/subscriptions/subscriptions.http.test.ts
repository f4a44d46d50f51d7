import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { accept } from '#kernel/index.ts'
import { SCOPES } from '#platform/index.ts'
import { startHttpServer } from '#platform/http/index.ts'
import type { HttpServer } from '#platform/http/index.ts'
import { silentLog } from '../../tests/database.ts'
import { STREAMS_MAX, STREAMS_OF_CALLER_MAX } from './event-stream.ts'
import { eventStreams, subscriptionAdminRoutes } from './index.ts'
import type { EventStreams } from './index.ts'
import { cancelled, eventually, MASTER_KEY, openShop } from './receiver.fixture.ts'

let shop: Awaited<ReturnType<typeof openShop>>
let server: HttpServer
let streams: EventStreams
beforeAll(async () => {
  shop = await openShop()
  streams = eventStreams(shop.context, { pollMs: 20 })
  server = await startHttpServer({
    routes: subscriptionAdminRoutes({ context: shop.context, masterKey: MASTER_KEY, streams }),
    host: '127.0.0.1',
    port: 0,
    log: silentLog,
    authenticate: async (headers) =>
      accept({ actor: headers['x-actor'] ?? 'person:ada', scopes: new Set(SCOPES) }),
  })
})
afterAll(async () => {
  streams.close()
  await server.close()
  await shop.stop()
})

const call = async (method: string, path: string, body?: object, headers = {}) => {
  const response = await fetch(server.url + path, {
    method,
    headers: { ...(body ? { 'content-type': 'application/json' } : {}), ...headers },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  const text = await response.text()
  const json: Record<string, unknown> = text === '' ? {} : JSON.parse(text)
  return { status: response.status, json, headers: response.headers }
}
const feed = z.object({
  items: z.array(z.object({ id: z.string(), type: z.string(), cursor: z.string() })),
  next_cursor: z.string(),
  has_more: z.boolean(),
})
const readFeed = async (query: string) =>
  feed.parse((await call('GET', `/admin/events?${query}`)).json)
const endNow = async () => (await readFeed('after=latest')).next_cursor

test('pages of any size add up to the same feed, also where one event tells two things', async () => {
  const start = await endNow()
  for (let index = 0; index < 12; index += 1) {
    const data = { verdict: index % 2 === 0 ? 'hold' : 'clear', reasons: ['value'] }
    await shop.append({ subjectId: `ord_${index}`, kind: 'order.placed', data })
  }
  await eventually(async () =>
    expect((await readFeed(`after=${start}&limit=500`)).items).toHaveLength(24),
  )
  const whole = (await readFeed(`after=${start}&limit=500`)).items.map((one) => one.id)
  expect(new Set(whole).size).toBe(24)
  for (const limit of [1, 2, 5]) {
    const read: string[] = []
    let after = start
    for (;;) {
      const page = await readFeed(`after=${after}&limit=${limit}`)
      expect(page.items.length).toBeLessThanOrEqual(limit)
      read.push(...page.items.map((one) => one.id))
      after = page.next_cursor
      if (!page.has_more) break
    }
    expect(read).toEqual(whole)
  }
  const third = (await readFeed(`after=${start}&limit=3`)).items[2]
  const rest = await readFeed(`after=${third?.cursor}&limit=500`)
  expect(rest.items.map((one) => one.id)).toEqual(whole.slice(3))
  const held = await readFeed(`after=${start}&kinds=order.held&limit=500`)
  expect(held.items.map((one) => one.type)).toEqual(Array.from({ length: 6 }, () => 'order.held'))
})

test('a cursor that we did not make, or from before a restore, is refused', async () => {
  expect(await call('GET', '/admin/events?after=nonsense')).toMatchObject({
    status: 422,
    json: { code: 'query_invalid' },
  })
  expect(await call('GET', '/admin/events?kinds=order.eaten')).toMatchObject({ status: 422 })
  const cursor = await endNow()
  await shop.asOwner(`update platform.instance set fence_epoch = fence_epoch + 1`)
  expect(await call('GET', `/admin/events?after=${cursor}`)).toMatchObject({
    status: 409,
    json: { code: 'cursor_stale' },
  })
})

test('a log that another database numbered is not told at all', async () => {
  const other = await openShop()
  onTestFinished(() => other.stop())
  await other.append(...cancelled(1))
  await other.asOwner(`update platform.event set xact = '99999999'`)
  const routes = subscriptionAdminRoutes({ context: other.context, masterKey: MASTER_KEY, streams })
  const moved = await startHttpServer({
    routes,
    host: '127.0.0.1',
    port: 0,
    log: silentLog,
    authenticate: async () => accept({ actor: 'x', scopes: new Set(SCOPES) }),
  })
  onTestFinished(() => moved.close())
  const response = await fetch(`${moved.url}/admin/events`)
  expect([response.status, await response.json()]).toMatchObject([503, { code: 'feed_unordered' }])
})

/** Reads a stream until it has so many events; answers them with the id of each frame. */
async function readStream(query: string, count: number, headers = {}) {
  const ending = new AbortController()
  const response = await fetch(`${server.url}/admin/events/stream?${query}`, {
    headers,
    signal: ending.signal,
  })
  expect(response.headers.get('content-type')).toContain('text/event-stream')
  const frames: { id: string; event: string }[] = []
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    const parts = text.split('\n\n')
    text = parts.pop() ?? ''
    for (const part of parts) {
      const id = /^id: (.*)$/m.exec(part)?.[1]
      const data = /^data: (.*)$/m.exec(part)?.[1]
      if (id !== undefined && data !== undefined) {
        frames.push({ id, event: z.object({ id: z.string() }).parse(JSON.parse(data)).id })
      }
    }
    if (frames.length >= count) break
  }
  ending.abort()
  return frames
}

test('a stream that breaks off goes on behind the last event id', async () => {
  const start = await endNow()
  const reading = readStream(`after=${start}&kinds=order.cancelled`, 3)
  await shop.append(...cancelled(5, 'stream'))
  const first = await reading
  const last = first[2]
  const rest = await readStream('kinds=order.cancelled', 2, { 'last-event-id': last?.id ?? '' })
  const whole = await eventually(async () => {
    const { items } = await readFeed(`after=${start}&kinds=order.cancelled&limit=500`)
    expect(items).toHaveLength(5)
    return items.map((one) => one.id)
  })
  expect([...first.slice(0, 3), ...rest.slice(0, 2)].map((one) => one.event)).toEqual(whole)
  await eventually(() => expect(streams.count()).toBe(0))
})

test('no caller holds all the streams, and no more than may be are open', async () => {
  const endings: AbortController[] = []
  const openAs = async (actor: string) => {
    const ending = new AbortController()
    endings.push(ending)
    const headers = { 'x-actor': actor }
    const url = `${server.url}/admin/events/stream?after=latest`
    const response = await fetch(url, { signal: ending.signal, headers })
    const code = response.ok ? '' : /"code":"(\w+)"/.exec(await response.text())?.[1]
    return { status: response.status, code }
  }
  const callers = STREAMS_MAX / STREAMS_OF_CALLER_MAX
  for (let number = 0; number < callers; number += 1) {
    const mine = Array.from({ length: STREAMS_OF_CALLER_MAX }, () => openAs(`key:${number}`))
    expect((await Promise.all(mine)).map((one) => one.status)).toEqual(mine.map(() => 200))
    expect(await openAs(`key:${number}`)).toEqual({ status: 429, code: 'streams_full' })
  }
  expect(await openAs('key:another')).toEqual({ status: 503, code: 'overloaded' })
  for (const ending of endings) ending.abort()
  await eventually(() => expect(streams.count()).toBe(0))
})

const NEW = { url: 'https://shop.example/hooks/?', events: ['order.held'] }
const good = { url: 'https://shop.example/hooks/', events: ['order.held'] }

test.each([
  ['http', 'http://shop.example/'],
  ['a private literal', 'https://10.0.0.1/'],
  ['a private literal in disguise', 'https://2130706433/'],
  ['loopback', 'https://[::1]/'],
  ['credentials', 'https://a:b@shop.example/'],
  ['another port', 'https://shop.example:9000/'],
])('an endpoint at %s is refused', async (_, url) => {
  expect(await call('POST', '/admin/webhooks', { ...NEW, url })).toMatchObject({
    status: 422,
    json: { code: 'body_invalid', field: 'url' },
  })
})

test('an idempotency key makes one subscription, and answers it again', async () => {
  const header = { 'idempotency-key': 'sub-1' }
  const twice = await Promise.all([
    call('POST', '/admin/webhooks', good, header),
    call('POST', '/admin/webhooks', good, header),
  ])
  expect(twice.map((one) => one.status)).toEqual([201, 201])
  expect(twice[0]?.json['secret']).toMatch(/^whsec_/)
  expect(twice[1]?.json).toEqual(twice[0]?.json)
  expect(twice.filter((one) => one.headers.get('idempotent-replayed') === 'true')).toHaveLength(1)
  const other = { ...good, events: ['order.cleared'] }
  expect(await call('POST', '/admin/webhooks', other, header)).toMatchObject({
    status: 422,
    json: { code: 'idempotency_key_reused' },
  })
  const stranger = await call('POST', '/admin/webhooks', other, { ...header, 'x-actor': 'key:b' })
  expect(stranger.json['id']).not.toBe(twice[0]?.json['id'])
})

test('a subscription is shown without its secret, which rests sealed', async () => {
  const made = await call('POST', '/admin/webhooks', good)
  const { secret, ...shown } = made.json
  expect(shown).toMatchObject({ url: good.url, state: 'active', allow_private: false })
  expect((await call('GET', `/admin/webhooks/${String(shown['id'])}`)).json).toEqual(shown)
  const list = JSON.stringify((await call('GET', '/admin/webhooks')).json)
  expect(list).toContain(String(shown['id']))
  const rows = await shop.rows(`select encode(sealed, 'escape') as sealed from platform.secret`)
  const audit = await shop.rows(`select * from platform.audit`)
  expect(list + JSON.stringify([rows, audit])).not.toContain(String(secret))
  expect(audit.filter((one) => one['action'] === 'webhook.created')).not.toHaveLength(0)
})

test('each act on a subscription answers, leaves its row, and refuses what is not there', async () => {
  const { json } = await call('POST', '/admin/webhooks', good)
  const id = String(json['id'])
  const because = { reason: 'receiver moves' }
  expect(await call('POST', `/admin/webhooks/${id}/pause`, because)).toMatchObject({
    status: 200,
    json: { state: 'paused', paused_reason: 'operator' },
  })
  expect(await call('POST', `/admin/webhooks/${id}/resume`, because)).toMatchObject({
    json: { state: 'active' },
  })
  const rotated = await call('POST', `/admin/webhooks/${id}/secret`, {})
  expect(rotated).toMatchObject({ status: 201, json: { overlap_seconds: 86_400 } })
  expect(rotated.json['secret']).not.toBe(json['secret'])
  expect(await call('GET', `/admin/webhooks/${id}/deliveries`)).toMatchObject({
    json: { items: [], next_cursor: null },
  })
  expect(await call('DELETE', `/admin/webhooks/${id}?reason=over`)).toMatchObject({ status: 204 })
  const rows = await shop.rows(
    `select action from platform.audit where subject_id = $1 order by id`,
    [id],
  )
  expect(rows.map((row) => row['action'])).toEqual([
    'webhook.created',
    'webhook.paused',
    'webhook.resumed',
    'webhook.secret_rotated',
    'webhook.deleted',
  ])
  for (const [method, path, body] of [
    ['GET', '', undefined],
    ['POST', '/pause', because],
    ['POST', '/resume', because],
    ['POST', '/secret', {}],
    ['GET', '/deliveries', undefined],
    ['POST', '/replay-failed', because],
    ['DELETE', '?reason=over', undefined],
  ] as const) {
    expect(await call(method, `/admin/webhooks/${id}${path}`, body)).toMatchObject({
      status: 404,
      json: { code: 'subscription_unknown' },
    })
  }
  expect(await call('GET', `/admin/webhooks/${id}/deliveries/msg_1`)).toMatchObject({
    json: { code: 'delivery_unknown' },
  })
})

test('there are at most a hundred subscriptions', async () => {
  const answers = []
  for (let index = 0; index < 101; index += 1) {
    answers.push(await call('POST', '/admin/webhooks', good))
  }
  expect(answers.at(-1)).toMatchObject({ status: 409, json: { code: 'subscriptions_full' } })
})

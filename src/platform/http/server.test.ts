import { afterEach, expect, test } from 'vitest'
import { z } from 'zod'
import { accept, refuse } from '#kernel/index.ts'
import { silentLog } from '../log.ts'
import { html, inline, pageReply } from './html.ts'
import { route } from './route.ts'
import type { AnyRoute, Caller } from './route.ts'
import { startHttpServer } from './server.ts'
import type { HttpServer } from './server.ts'

const order = z.strictObject({
  lines: z.array(z.strictObject({ sku: z.string().min(1), qty: z.int().min(1) })).min(1),
})
const open = { access: { kind: 'public' }, audit: { none: 'read' }, summary: 'x' } as const
const echo = route({
  ...open,
  method: 'POST',
  path: '/echo',
  body: order,
  handle: async ({ body, caller, rawBody }) =>
    accept({ status: 201, body: { lines: body.lines, by: caller.actor, bytes: rawBody.length } }),
})
const item = route({
  ...open,
  method: 'GET',
  path: '/items/:id',
  params: z.object({ id: z.string() }),
  query: z.object({ limit: z.coerce.number().int().max(9).default(3) }),
  handle: async ({ params, query }) => accept({ status: 200, body: { ...params, ...query } }),
})

let server: HttpServer | undefined
afterEach(async () => {
  await server?.close()
  server = undefined
})

const start = async (...routes: AnyRoute[]): Promise<string> => {
  server = await startHttpServer({
    routes,
    host: '127.0.0.1',
    port: 0,
    log: silentLog,
    authenticate: async (headers) => {
      const given = headers['authorization']
      if (given === 'Bearer bad') return refuse('unauthenticated', 'No such key.')
      const caller: Caller = { actor: 'key:k', scopes: new Set(['orders:read']) }
      return accept(given === 'Bearer good' ? caller : undefined)
    },
  })
  return server.url
}
const post = (url: string, body: string | Uint8Array<ArrayBuffer>, type = 'application/json') =>
  fetch(url, { method: 'POST', body, headers: { 'content-type': type } })
const problemOf = async (response: Response): Promise<Record<string, unknown>> => {
  expect(response.headers.get('content-type')).toContain('application/problem+json')
  const problem: Record<string, unknown> = JSON.parse(await response.text())
  expect(problem['request_id']).toBe(response.headers.get('x-request-id'))
  expect(problem['status']).toBe(response.status)
  return problem
}

test('a handler gets validated input and the bytes as they came', async () => {
  const url = await start(echo, item)
  const body = '{ "lines": [{"sku":"A","qty":2}] }'
  const response = await post(`${url}/echo`, body)
  expect(response.status).toBe(201)
  expect(await response.json()).toEqual({
    lines: [{ sku: 'A', qty: 2 }],
    by: 'public',
    bytes: body.length,
  })
  expect(await (await fetch(`${url}/items/a%2Fb?limit=7`)).json()).toEqual({ id: 'a/b', limit: 7 })
})

test('every bad field is named, at most twenty of them', async () => {
  const url = await start(echo)
  const two = await problemOf(await post(`${url}/echo`, '{"lines":[{"sku":"","qty":0}],"no":1}'))
  expect(two).toMatchObject({ status: 422, code: 'body_invalid', field: 'lines[0].sku' })
  expect(two['errors']).toMatchObject([
    { field: 'lines[0].sku' },
    { field: 'lines[0].qty' },
    { field: 'no' },
  ])
  const many = JSON.stringify({ lines: Array.from({ length: 60 }, () => ({ sku: '', qty: 0 })) })
  expect((await problemOf(await post(`${url}/echo`, many)))['errors']).toHaveLength(20)
})

test.each([
  ['a key twice', '{"lines":[],"lines":[]}'],
  ['a prototype key', '{"lines":[],"__proto__":{"a":1}}'],
  ['a prototype key in escapes', '{"lines":[],"\\u005f_proto__":{"a":1}}'],
  ['text after the value', '{"lines":[]} x'],
  ['nothing', ''],
  ['bytes that are not UTF-8', new Uint8Array([0x22, 0xff, 0x22])],
])('a body with %s is malformed', async (_name, body) => {
  const url = await start(echo)
  expect(await problemOf(await post(`${url}/echo`, body))).toMatchObject({
    status: 400,
    code: 'body_malformed',
  })
})

test('a query or path that is wrong is refused by name', async () => {
  const url = await start(item)
  expect(await problemOf(await fetch(`${url}/items/a?limit=10`))).toMatchObject({
    status: 422,
    code: 'query_invalid',
    field: 'limit',
  })
})

test('a NUL in a path, a query or a form is refused before a row is asked for it', async () => {
  const find = route({
    ...open,
    method: 'POST',
    path: '/find',
    query: z.object({ q: z.string().optional() }),
    bodyFormat: 'form',
    body: z.object({ q: z.string() }),
    handle: async () => accept({ status: 200, body: {} }),
  })
  const url = await start(item, find)
  const inPath = await problemOf(await fetch(`${url}/items/a%00b`))
  expect(inPath).toMatchObject({ status: 422, code: 'query_invalid', field: 'id' })
  const form = 'application/x-www-form-urlencoded'
  const inQuery = await problemOf(await post(`${url}/find?q=%00`, 'q=a', form))
  expect(inQuery).toMatchObject({ status: 422, code: 'query_invalid', field: 'q' })
  const inForm = await problemOf(await post(`${url}/find`, 'q=%00', form))
  expect(inForm).toMatchObject({ status: 400, code: 'body_malformed' })
})

test('a body above the limit of its route is refused', async () => {
  const small = { ...echo, path: '/small', bodyMaxBytes: 10 }
  const url = await start(small)
  const response = await post(`${url}/small`, JSON.stringify({ lines: ['x'.repeat(50)] }))
  expect(await problemOf(response)).toMatchObject({ status: 413, code: 'body_too_large' })
})

test('other media types are refused, forms on JSON routes too', async () => {
  const url = await start(echo)
  for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
    const problem = await problemOf(await post(`${url}/echo`, 'a=b', type))
    expect(problem).toMatchObject({ status: 415, code: 'media_type_unsupported' })
  }
})

test('an unknown path is 404, a wrong method 405 with Allow', async () => {
  const url = await start(echo, item)
  expect(await problemOf(await fetch(`${url}/nope?x=1`))).toMatchObject({ code: 'route_unknown' })
  expect((await fetch(`${url}/%zz`)).status).toBe(404)
  const wrong = await fetch(`${url}/items/1?limit=2`, { method: 'DELETE' })
  expect(await problemOf(wrong)).toMatchObject({ status: 405, code: 'method_unsupported' })
  expect(wrong.headers.get('allow')).toBe('GET, HEAD')
})

test('access follows the declaration', async () => {
  const scoped = (scope: 'orders:read' | 'flags:write'): AnyRoute => ({
    ...echo,
    method: 'GET',
    path: `/${scope.replace(':', '-')}`,
    access: { kind: 'scope', scope },
    handle: async () => accept({ status: 200, body: { ok: true } }),
  })
  const { body: _body, ...read } = scoped('orders:read')
  const { body: _other, ...write } = scoped('flags:write')
  const url = await start(read, write, item)
  const get = (path: string, key?: string) =>
    fetch(url + path, { headers: key ? { authorization: `Bearer ${key}` } : {} })
  const anonymous = await get('/orders-read')
  expect(anonymous.headers.get('www-authenticate')).toBe('Bearer')
  expect(await problemOf(anonymous)).toMatchObject({ status: 401, code: 'unauthenticated' })
  const allowed = await get('/orders-read', 'good')
  expect(allowed.status).toBe(200)
  expect(allowed.headers.get('cache-control')).toBe('no-store')
  expect(await problemOf(await get('/flags-write', 'good'))).toMatchObject({ code: 'forbidden' })
  // A bad credential is refused on a public route as well; a stranger's token is not ours to judge.
  expect((await get('/items/1', 'bad')).status).toBe(401)
  expect((await get('/items/1', 'order-token')).status).toBe(200)
})

const remembering = (url: string, etag: string | undefined) => {
  if (url !== '/kept?a=1') return undefined
  const headers = { etag: '"1"' }
  return etag === '"1"' ? { status: 304, headers } : { status: 200, body: '"kept"', headers }
}
const kept = route({
  ...open,
  method: 'GET',
  path: '/kept',
  recall: (url, headers) => remembering(url, headers['if-none-match']),
  handle: async ({ caller, url }) => accept({ status: 200, body: [caller.actor, url] }),
})

test('what a route remembers of an address is answered as it was', async () => {
  const url = await start(kept)
  const reply = await fetch(`${url}/kept?a=1`)
  expect(await reply.json()).toBe('kept')
  expect(reply.headers.get('x-request-id')).toMatch(/^req_/)
  expect(reply.headers.get('content-type')).toBe('application/json; charset=utf-8')
  expect((await fetch(`${url}/kept?a=1`, { headers: { 'if-none-match': '"1"' } })).status).toBe(304)
  expect(await (await fetch(`${url}/kept?a=2`)).json()).toEqual(['public', '/kept?a=2'])
})

test('a credential is judged also where the reply is remembered', async () => {
  const url = await start(kept)
  const by = (authorization: string) => fetch(`${url}/kept?a=1`, { headers: { authorization } })
  expect((await by('Bearer bad')).status).toBe(401)
  expect(await (await by('Bearer good')).json()).toEqual(['key:k', '/kept?a=1'])
  const cookie = await fetch(`${url}/kept?a=1`, { headers: { cookie: 'a=b' } })
  expect(await cookie.json()).toEqual(['public', '/kept?a=1'])
})

test('only a public GET may remember replies', async () => {
  const access = { kind: 'scope', scope: 'orders:read' } as const
  await expect(start({ ...kept, access })).rejects.toThrow("is open to anybody's GET")
  await expect(start({ ...kept, method: 'PUT' })).rejects.toThrow("is open to anybody's GET")
})

test('a fault tells nothing but the request id', async () => {
  const broken: AnyRoute = {
    ...item,
    handle: () => Promise.reject(new Error('select * from secrets')),
  }
  const url = await start(broken)
  const problem = await problemOf(await fetch(`${url}/items/1`))
  expect(problem).toMatchObject({ status: 500, code: 'internal' })
  expect(JSON.stringify(problem)).not.toMatch(/secrets|server\.test/)
})

test('a page is escaped and carries the headers that keep it so', async () => {
  const page = route({
    ...open,
    method: 'GET',
    path: '/page',
    handle: async () =>
      accept(
        pageReply({
          title: '<b>',
          style: inline('p{}'),
          body: html`<p title="${'"><script>'}">${[html`<i>${'&'}</i>`]}</p>`,
        }),
      ),
  })
  const url = await start(page)
  const response = await fetch(`${url}/page`)
  const text = await response.text()
  expect(text).toContain('<title>&lt;b&gt;</title>')
  expect(text).toContain('<p title="&quot;&gt;&lt;script&gt;"><i>&amp;</i></p>')
  const policy = response.headers.get('content-security-policy')
  expect(policy).toMatch(/default-src 'none'; style-src 'sha256-.*script-src 'none'/)
  expect(response.headers.get('x-frame-options')).toBe('SAMEORIGIN')
  expect(response.headers.get('referrer-policy')).toBe('same-origin')
})

test('every route stands in the OpenAPI document with its schema and who may call it', async () => {
  const url = await start(echo, item, { ...item, path: '/own', access: { kind: 'order_token' } })
  const document = await (await fetch(`${url}/openapi.json`)).json()
  expect(document).toMatchObject({
    openapi: '3.1.0',
    paths: {
      '/echo': {
        post: {
          requestBody: {
            content: { 'application/json': { schema: { required: ['lines'] } } },
          },
        },
      },
      '/items/{id}': {
        get: {
          parameters: [
            { name: 'id', in: 'path', required: true },
            { name: 'limit', in: 'query', required: false, schema: { maximum: 9 } },
          ],
        },
      },
      // No API key stands for the token of an order.
      '/own': { get: { security: [{ order_token: [] }] } },
      '/openapi.json': {},
    },
  })
})

test('closing lets a running request finish', async () => {
  let release = (): void => undefined
  const entered = Promise.withResolvers<void>()
  const slow: AnyRoute = {
    ...item,
    handle: async () => {
      entered.resolve()
      await new Promise<void>((resolve) => (release = resolve))
      return accept({ status: 200, body: { done: true } })
    },
  }
  const url = await start(slow)
  const answer = fetch(`${url}/items/1`)
  await entered.promise
  const closed = server?.close()
  release()
  expect((await answer).status).toBe(200)
  await closed
  await expect(fetch(`${url}/items/1`)).rejects.toThrow('fetch failed')
})

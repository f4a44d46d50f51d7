import { connect } from 'node:net'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { accept, REFUSALS } from '#kernel/index.ts'
import { silentLog } from '../log.ts'
import { route } from './route.ts'
import { malformedHandler } from './refuse-early.ts'
import { HEADER_BYTES_MAX, startHttpServer } from './server.ts'
import type { HttpServer } from './server.ts'
import type { Served } from './serve-route.ts'

const served: Served[] = []
let server: HttpServer
beforeAll(async () => {
  const echo = route({
    method: 'POST',
    path: '/echo',
    summary: 'x',
    access: { kind: 'public' },
    audit: { none: 'read' },
    body: z.strictObject({ a: z.int() }),
    handle: async ({ body }) => accept({ status: 201, body }),
  })
  server = await startHttpServer({
    routes: [echo],
    host: '127.0.0.1',
    port: 0,
    log: silentLog,
    authenticate: async () => accept(undefined),
    observe: (one) => served.push(one),
  })
})
afterAll(() => server.close())

/** Sends these bytes and reads until the server ends the connection. */
async function exchange(bytes: string | Buffer): Promise<string> {
  const socket = connect(server.port, '127.0.0.1')
  socket.write(bytes)
  return text(socket)
}
const head = (...lines: string[]): string => `${lines.join('\r\n')}\r\n\r\n`
const POST = 'POST /echo HTTP/1.1'
const JSON_BODY = ['Content-Type: application/json', 'Content-Length: 7', 'Connection: close']
const CONTROL = String.fromCodePoint(1)

test.each<[string, string, keyof typeof REFUSALS]>([
  ['no HTTP', 'nonsense\r\n\r\n', 'request_malformed'],
  ['a bad header', head(POST, 'Host: a', `X: ${CONTROL}`), 'request_malformed'],
  [
    'two lengths',
    head(POST, 'Host: a', 'Content-Length: 2', 'Content-Length: 3'),
    'request_malformed',
  ],
  [
    'length and chunks',
    head(POST, 'Host: a', 'Content-Length: 2', 'Transfer-Encoding: chunked'),
    'request_malformed',
  ],
  ['no Host', head(POST, ...JSON_BODY) + '{"a":1}', 'request_malformed'],
  ['two Hosts', head(POST, 'Host: a', 'Host: b', ...JSON_BODY) + '{"a":1}', 'request_malformed'],
  [
    'one Host twice',
    head(POST, 'Host: a', 'HOST: a', ...JSON_BODY) + '{"a":1}',
    'request_malformed',
  ],
  ['an expectation', head(POST, 'Host: a', 'Expect: more', ...JSON_BODY), 'expectation_failed'],
  [
    'headers above the limit',
    head(POST, 'Host: a', `X: ${'x'.repeat(HEADER_BYTES_MAX)}`),
    'headers_too_large',
  ],
  [
    'a gzip body',
    head(POST, 'Host: a', 'Content-Encoding: gzip', ...JSON_BODY) + '{"a":1}',
    'media_type_unsupported',
  ],
])('%s is one problem with a code, and counted', async (_, bytes, code) => {
  const before = served.length
  const answer = await exchange(bytes)
  const { http: status } = REFUSALS[code]
  expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} .+\r\n`))
  expect(answer).toContain('content-type: application/problem+json')
  const body: unknown = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4))
  const id = /x-request-id: (\S+)/i.exec(answer)?.[1]
  expect(body).toMatchObject({ status, code, request_id: id })
  expect(served.slice(before)).toMatchObject([{ route: 'unknown', status }])
})

test('a request without a coding, or with the identity one, is read', async () => {
  for (const coding of [[], ['Content-Encoding: identity']]) {
    const answer = await exchange(head(POST, 'Host: a', ...coding, ...JSON_BODY) + '{"a":1}')
    expect(answer).toMatch(/^HTTP\/1\.1 201 /)
  }
})

test('a coded body says which coding would do, whatever its case', async () => {
  const response = await fetch(`${server.url}/echo`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-encoding': 'GZIP' },
    body: gzipSync('{"a":1}'),
  })
  expect(response.status).toBe(415)
  expect(response.headers.get('accept-encoding')).toBe('identity')
})

test('100-continue is met', async () => {
  const answer = await exchange(
    head(POST, 'Host: a', 'Expect: 100-continue', ...JSON_BODY) + '{"a":1}',
  )
  expect(answer).toMatch(/^HTTP\/1\.1 100 Continue[^]+HTTP\/1\.1 201 /)
})

test('a request that does not arrive in time is 408 with a code', async () => {
  const socket = new PassThrough()
  const handle = malformedHandler({ finish: () => undefined, nextId: () => 'req_1' })
  handle(Object.assign(new Error('late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), socket)
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n[^]+"request_timeout"/)
})

import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isPublicAddress, openOutbound } from './index.ts'

const outbound = openOutbound({
  connectTimeoutMs: 2_000,
  headersTimeoutMs: 300,
  totalTimeoutMs: 600,
})
const servers: Server[] = []
let seen = 0

const portOf = (server: Server): Promise<number> => {
  servers.push(server)
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address: AddressInfo | string | null = server.address()
      resolve(typeof address === 'object' && address ? address.port : 0)
    })
  })
}
const http = (listener: RequestListener) => portOf(createServer(listener))
const tcp = (onData: (socket: Socket) => void) =>
  portOf(
    createTcpServer((socket) => {
      socket.on('error', () => undefined)
      socket.on('data', () => onData(socket))
    }),
  )
const post = (url: string, allowPrivate = true) =>
  outbound.send({ method: 'POST', url, headers: {}, body: Buffer.from('{}'), allowPrivate })

let port = 0
beforeAll(async () => {
  port = await http((request, response) => {
    seen += 1
    if (request.url === '/redirect') response.writeHead(302, { location: '/other' }).end()
    else if (request.url === '/big') response.end(Buffer.alloc(200_000))
    else if (request.url === '/silent') request.resume()
    else response.end('{"ok":true}')
  })
})
afterAll(async () => {
  await outbound.close()
  for (const server of servers) server.close()
})

test('a reply comes back whole', async () => {
  const result = await post(`http://127.0.0.1:${port}/`)
  expect(result).toMatchObject({ kind: 'reply', status: 200, isTruncated: false })
  expect(result.kind === 'reply' && result.body.toString()).toBe('{"ok":true}')
})

test('a redirect is an answer and is not followed', async () => {
  const before = seen
  expect(await post(`http://127.0.0.1:${port}/redirect`)).toMatchObject({ status: 302 })
  expect(seen - before).toBe(1)
})

test('a reply is cut at 64 KiB', async () => {
  const result = await post(`http://127.0.0.1:${port}/big`)
  expect(result).toMatchObject({ kind: 'reply', isTruncated: true })
  expect(result.kind === 'reply' && result.body.length).toBe(65_536)
})

test('refused, unknown name and failed TLS wrote no byte', async () => {
  const closed = createTcpServer()
  const free = await portOf(closed)
  await new Promise((resolve) => closed.close(resolve))
  expect(await post(`http://127.0.0.1:${free}/`)).toMatchObject({
    kind: 'no_byte_written',
    code: 'ECONNREFUSED',
  })
  expect(await post('http://nowhere.invalid/')).toMatchObject({ kind: 'no_byte_written' })
  expect(await post(`https://127.0.0.1:${port}/`)).toMatchObject({ kind: 'no_byte_written' })
})

test('silence, a reset and a half answer come after a byte was written', async () => {
  const reset = await tcp((socket) => socket.resetAndDestroy())
  const half = await tcp((socket) =>
    socket.end('HTTP/1.1 201 Created\r\ncontent-length: 99\r\n\r\n{'),
  )
  for (const url of [
    `http://127.0.0.1:${port}/silent`,
    `http://127.0.0.1:${reset}/`,
    `http://127.0.0.1:${half}/`,
  ]) {
    expect(await post(url)).toMatchObject({ kind: 'after_byte_written' })
  }
})

test('a private address is not called, by literal or by name', async () => {
  const before = seen
  for (const host of [
    '127.0.0.1',
    'localhost',
    '[::1]',
    '2130706433',
    '0x7f.1',
    '[::ffff:7f00:1]',
  ]) {
    expect(await post(`http://${host}:${port}/`, false)).toEqual({
      kind: 'no_byte_written',
      code: 'address_refused',
    })
  }
  expect(seen).toBe(before)
})

test.each([
  '10.0.0.1',
  '100.64.0.1',
  '127.0.0.1',
  '169.254.169.254',
  '172.16.0.1',
  '192.168.0.1',
  '0.0.0.0',
  '224.0.0.1',
  '240.0.0.1',
  '::1',
  '::',
  'fe80::1',
  'fc00::1',
  'fec0::1',
  '::ffff:10.0.0.1',
  '64:ff9b::a00:1',
  '2002:a00:1::',
  'not-an-address',
])('%s is not public', (address) => {
  expect(isPublicAddress(address)).toBe(false)
})

test('public addresses are public', () => {
  expect(['1.1.1.1', '2606:4700::1111'].map(isPublicAddress)).toEqual([true, true])
})

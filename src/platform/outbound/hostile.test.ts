import { spawn } from 'node:child_process'
import type { LookupAddress } from 'node:dns'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isPublicAddress, openOutbound } from './index.ts'
import type { Outbound } from './index.ts'
import { checkNetwork, mayCall, networksFor, PRIVATE_NETWORKS } from './address-policy.ts'
import type { Resolve } from './address-policy.ts'

// What a hostile registration would like us to call, each of another range.
const HOSTILE = [
  '127.0.0.1',
  '0.0.0.0',
  '10.0.0.1',
  '172.16.0.1',
  '192.168.1.1',
  '169.254.169.254',
  '100.64.0.1',
  '192.0.0.1',
  '192.0.2.1',
  '198.18.0.1',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  'fe80::1',
  'fc00::1',
  'fec0::1',
  '5f00::1',
  '::ffff:127.0.0.1',
  '::ffff:a9fe:a9fe',
  '64:ff9b::7f00:1',
  '64:ff9b::a9fe:a9fe',
  '2002:7f00:1::',
  'fd00:ec2::254',
]
// What no allow-list opens, since it is another address in disguise, or the cloud's own.
const NEVER = HOSTILE.filter((one) => !/^(?:127|10|172|192\.168|100|::1$|fc|fd)/.test(one))

const seen: string[] = []
const servers: Server[] = []
async function listen(listener: RequestListener, host = '127.0.0.1'): Promise<number> {
  const server = createServer(listener)
  servers.push(server)
  server.listen(0, host)
  await once(server, 'listening')
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

const clients: Outbound[] = []
function client(resolve?: Resolve): Outbound {
  const outbound = openOutbound({ connectTimeoutMs: 1_000, totalTimeoutMs: 3_000 }, resolve)
  clients.push(outbound)
  return outbound
}
const get = (url: string, allowPrivate: boolean | readonly string[], outbound = open) =>
  outbound.send({ method: 'GET', url, headers: {}, allowPrivate })
const REFUSED = { kind: 'no_byte_written', code: 'address_refused' }

/** Answers each question with the next list of addresses, and counts the questions. */
function resolving(...answers: readonly (readonly string[])[]) {
  const asked: string[] = []
  const resolve: Resolve = (name, _, callback) => {
    const addresses = answers[Math.min(asked.length, answers.length - 1)] ?? []
    asked.push(name)
    const found = addresses.map((address): LookupAddress => ({
      address,
      family: address.includes(':') ? 6 : 4,
    }))
    setImmediate(() => callback(null, found))
  }
  return { resolve, asked }
}

let open: Outbound
let port = 0
beforeAll(async () => {
  open = client()
  port = await listen((request, response) => {
    seen.push(request.url ?? '')
    if (request.url !== '/kept-open') response.setHeader('connection', 'close')
    if (request.url === '/metadata') {
      response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data/' }).end()
    } else response.end('{}')
  })
})
afterAll(async () => {
  for (const one of clients) await one.close()
  for (const server of servers) server.close()
})

describe('a hostile address', () => {
  test('is one of 23 and more', () => {
    expect(HOSTILE.length).toBeGreaterThanOrEqual(23)
    expect(NEVER.length).toBeGreaterThanOrEqual(15)
  })

  test.each(HOSTILE)(
    '%s is not public, is not called, and no name leads to it',
    async (address) => {
      const host = address.includes(':') ? `[${address}]` : address
      expect(isPublicAddress(address)).toBe(false)
      expect(await get(`https://${host}/`, false)).toEqual(REFUSED)
      for (const answer of [[address], ['1.1.1.1', address], [address, '2606:4700::1111']]) {
        const named = client(resolving(answer).resolve)
        expect(await get('https://partner.example/', false, named)).toEqual(REFUSED)
      }
    },
  )

  test.each(NEVER)('%s is in no network that can be allowed', (address) => {
    expect(mayCall(address, PRIVATE_NETWORKS)).toBe(false)
  })
})

describe('a trick of spelling', () => {
  test.each([
    'http://2130706433/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://0x7f000001/',
    'https://017700000001/',
    'https://127.1/',
    'https://①②⑦.0.0.1/',
    'https://127。0。0。1/',
    'https://localhost/',
    'https://localhost./',
    'https://LOCALHOST/',
    'https://127.0.0.1./',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:7f00:1]/',
    'https://[0:0:0:0:0:0:0:1]/',
    'https://user:secret@1.1.1.1/',
    'https://1.1.1.1@127.0.0.1/',
    'https://1.1.1.1:22/',
    'http://1.1.1.1/',
    'ftp://1.1.1.1/',
    'file:///etc/passwd',
    'not a url',
  ])('%s is refused before a byte is written', async (url) => {
    const before = seen.length
    // A resolver that knows every name, since some know no `localhost.`.
    const outbound = client(resolving(['127.0.0.1']).resolve)
    expect(await get(url, false, outbound)).toEqual(REFUSED)
    expect(seen.length).toBe(before)
  })
})

describe('a name', () => {
  test('that leads elsewhere at the next connect is refused then', async () => {
    const { resolve, asked } = resolving(['127.0.0.1'], ['169.254.169.254'])
    const outbound = client(resolve)
    const url = `http://localhost:${port}/`
    expect(await get(url, ['127.0.0.0/8'], outbound)).toMatchObject({ kind: 'reply', status: 200 })
    expect(await get(url, ['127.0.0.0/8'], outbound)).toEqual(REFUSED)
    // One question an exchange: what was checked is what was connected to.
    expect(asked).toEqual(['localhost', 'localhost'])
  })

  test('is called at the very address that was checked', async () => {
    const elsewhere = await listen((_, response) => response.end('elsewhere'), '127.0.0.2')
    const outbound = client(resolving(['127.0.0.2']).resolve)
    const result = await get(`http://localhost:${elsewhere}/`, ['127.0.0.2/32'], outbound)
    expect(result.kind === 'reply' && result.body.toString()).toBe('elsewhere')
  })

  test('without an address is refused', async () => {
    expect(await get('https://partner.example/', false, client(resolving([]).resolve))).toEqual(
      REFUSED,
    )
  })

  test('that one endpoint may call is not open to another', async () => {
    const url = `http://127.0.0.1:${port}/`
    expect(await get(url, ['127.0.0.1/32'])).toMatchObject({ kind: 'reply' })
    expect(await get(url, ['127.0.0.2/32', '10.0.0.0/8'])).toEqual(REFUSED)
    expect(await get(url, [])).toEqual(REFUSED)
  })
})

test('a connection made for one endpoint is not used for another that may not make it', async () => {
  const { resolve, asked } = resolving(['127.0.0.1'])
  const outbound = client(resolve)
  const url = `http://localhost:${port}/kept-open`
  const mine = ['127.0.0.0/8']
  // A reply can be read before its connection counts as idle, so the next request may open another.
  // Once a request asks for no address, a connection is known to be kept open.
  let isKept = false
  for (let request = 0; request < 50 && !isKept; request += 1) {
    const questions = asked.length
    expect(await get(url, mine, outbound)).toMatchObject({ kind: 'reply', status: 200 })
    isKept = asked.length === questions
  }
  expect(isKept).toBe(true)
  expect(await get(url, ['10.0.0.0/8'], outbound)).toEqual(REFUSED)
})

test('a redirect to the metadata service is an answer, and is not followed', async () => {
  const before = seen.length
  const result = await get(`http://127.0.0.1:${port}/metadata`, ['127.0.0.1/32'])
  expect(result).toMatchObject({ kind: 'reply', status: 302 })
  expect(seen.slice(before)).toEqual(['/metadata'])
})

test('a proxy in the environment sees nothing', async () => {
  const proxied: string[] = []
  const proxy = await listen((request, response) => {
    proxied.push(request.url ?? '')
    response.end()
  })
  const code = `
    import { openOutbound } from '${new URL('index.ts', import.meta.url).href}'
    const outbound = openOutbound()
    const url = 'http://127.0.0.1:${port}/proxied'
    const result = await outbound.send({ method: 'GET', url, headers: {}, allowPrivate: true })
    console.log(result.status)
    await outbound.close()`
  const url = `http://127.0.0.1:${proxy}`
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy']
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    env: {
      ...process.env,
      ...Object.fromEntries(names.map((name) => [name, url])),
      NO_PROXY: '',
      no_proxy: '',
      NODE_USE_ENV_PROXY: '1',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let printed = ''
  child.stdout.on('data', (bytes: Buffer) => (printed += bytes.toString()))
  await once(child, 'close')
  expect(printed.trim()).toBe('200')
  expect(proxied).toEqual([])
  expect(seen).toContain('/proxied')
})

describe('an allow-list', () => {
  test.each(PRIVATE_NETWORKS)('takes %s', (cidr) => {
    expect(checkNetwork(cidr)).toEqual({ ok: true, value: cidr })
  })

  test.each([
    '0.0.0.0/0',
    '::/0',
    '169.254.0.0/16',
    '169.254.169.254/32',
    'fe80::/10',
    'fc00::/6',
    '10.0.0.0/7',
    '8.0.0.0/6',
    '1.1.1.1/32',
    '10.0.0.1/8',
    '10.0.0.0',
    '10.0.0.0/33',
    '::ffff:10.0.0.0/104',
    '64:ff9b::/96',
    '224.0.0.0/4',
    '0.0.0.0/8',
    'localhost',
    '',
  ])('refuses %s', (cidr) => {
    expect(checkNetwork(cidr)).toMatchObject({ ok: false, refusal: { code: 'body_invalid' } })
  })

  test('opens its networks to their very end, and no address behind it', () => {
    const networks = ['10.20.0.0/16', 'fd12::/32']
    const open4 = ['10.20.0.0', '10.20.255.255', 'fd12::1', 'fd12:0:ffff::']
    expect(open4.filter((one) => !mayCall(one, networks))).toEqual([])
    const shut = ['10.19.255.255', '10.21.0.0', 'fd13::', '127.0.0.1', '::ffff:10.20.0.1']
    expect(shut.filter((one) => mayCall(one, networks))).toEqual([])
  })

  test('for an endpoint is its own address, loopback, or for a name every private network', () => {
    expect(networksFor('10.1.2.3')).toEqual(['10.1.2.3/32'])
    expect(networksFor('[fd12::1]')).toEqual(['fd12::1/128'])
    expect(networksFor('localhost')).toEqual(['127.0.0.0/8', '::1/128'])
    expect(networksFor('1.1.1.1')).toEqual([])
    expect(networksFor('partner.internal')).toEqual(PRIVATE_NETWORKS)
  })
})

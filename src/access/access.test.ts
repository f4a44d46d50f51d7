import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHttpServer } from '#platform/http/index.ts'
import type { HttpServer } from '#platform/http/index.ts'
import { SCOPES, transact, withTransaction } from '#platform/index.ts'
import type { Caller, Context, Scope } from '#platform/index.ts'
import { createTestContext, createTestDatabase } from '../../tests/database.ts'
import type { TestDatabase } from '../../tests/database.ts'
import { accessRoutes } from './access.http.ts'
import { createApiKey, revokeApiKey, verifyApiKey } from './api-key.ts'
import { createAuthenticator } from './authenticate.ts'
import { createLogin, endSession, spendLogin, verifySession } from './login.ts'
import { ROLES } from './role.ts'

let db: TestDatabase
let context: Context
let server: HttpServer
let nowMs = 0
beforeAll(async () => {
  db = await createTestDatabase()
  const base = await createTestContext(db.database)
  context = { ...base, clock: { nowMs: () => nowMs, monotonicMs: () => nowMs } }
  const authenticator = createAuthenticator(context)
  const { authenticate } = authenticator
  server = await startHttpServer({
    routes: accessRoutes(context, authenticator),
    host: '127.0.0.1',
    port: 0,
    authenticate,
    log: context.log,
  })
})
afterAll(async () => {
  await server.close()
  await db.drop()
})

const owner: Caller = { actor: 'person:ada', scopes: new Set(SCOPES) }
const makeKey = async (scopes: readonly Scope[], maker: Caller = owner) => {
  const made = await transact(context.database, (tx) =>
    createApiKey(tx, 'main', { name: 'shop', scopes, maker }),
  )
  if (!made.ok) throw new Error(made.refusal.detail)
  return made.value
}
const logIn = async (role: keyof typeof ROLES = 'owner') => {
  const { path } = await withTransaction(context.database, (tx) =>
    createLogin(tx, 'main', { actor: 'person:ada', role }),
  )
  return path.split('token=')[1] ?? ''
}
const openSession = async (role?: keyof typeof ROLES): Promise<string> => {
  const token = await logIn(role)
  const spent = await transact(context.database, (tx) => spendLogin(tx, 'main', token))
  if (!spent.ok) throw new Error(spent.refusal.detail)
  return spent.value.session
}
const call = (method: string, path: string, headers: Record<string, string>, body?: object) =>
  fetch(server.url + path, {
    method,
    headers: body ? { 'content-type': 'application/json', ...headers } : headers,
    ...(body ? { body: JSON.stringify(body) } : {}),
  })

test('a key names its caller and has the scopes it was given, no others', async () => {
  const { id, key } = await makeKey(['orders:submit', 'orders:read'])
  const caller = await verifyApiKey(context.database, 'main', key)
  expect(caller?.actor).toBe(`key:${id}`)
  expect([...(caller?.scopes ?? [])]).toEqual(['orders:submit', 'orders:read'])
  expect(await verifyApiKey(context.database, 'other', key)).toBeUndefined()
  const forged = `${key.slice(0, -1)}${key.endsWith('a') ? 'b' : 'a'}`
  expect(await verifyApiKey(context.database, 'main', forged)).toBeUndefined()
})

test('the name of the scheme is matched without regard to case', async () => {
  const { key } = await makeKey(['admin:read'])
  for (const scheme of ['Bearer', 'bearer', 'BEARER', 'Bearer ']) {
    const headers = { authorization: `${scheme} ${key}` }
    expect((await call('GET', '/admin/api-keys', headers)).status).toBe(200)
  }
  expect((await call('GET', '/admin/api-keys', { authorization: `Basic ${key}` })).status).toBe(401)
})

test('the key itself is nowhere in the database', async () => {
  const { key } = await makeKey(['orders:read'])
  const { rows } = await context.database.pool.query<{ found: boolean }>(
    `select exists (select from access.api_key k where strpos(k::text, $1) > 0
       union all select from platform.audit a where strpos(a::text, $1) > 0) as found`,
    [key.slice(-52)],
  )
  expect(rows[0]?.found).toBe(false)
})

test('nobody gives a scope they do not have', async () => {
  const maker: Caller = { actor: 'key:k', scopes: new Set(['admin:write']) }
  const outcome = await transact(context.database, (tx) =>
    createApiKey(tx, 'main', { name: 'x', scopes: ['admin:write', 'flags:write'], maker }),
  )
  expect(outcome).toMatchObject({ ok: false, refusal: { code: 'forbidden' } })
})

test('a revoked key works for at most 30 s in a process that remembers it', async () => {
  const authenticator = createAuthenticator(context)
  const { id, key } = await makeKey(['orders:read'])
  const headers = { authorization: `Bearer ${key}` }
  expect((await authenticator.authenticate(headers, 'GET')).ok).toBe(true)
  await transact(context.database, (tx) => revokeApiKey(tx, 'main', { id, actor: 'person:ada' }))
  nowMs += 29_999
  expect((await authenticator.authenticate(headers, 'GET')).ok).toBe(true)
  nowMs += 1
  expect(await authenticator.authenticate(headers, 'GET')).toMatchObject({
    ok: false,
    refusal: { code: 'unauthenticated' },
  })
})

test('keys are made, listed and revoked over HTTP, at once and with an audit trail', async () => {
  const admin = { authorization: `Bearer ${(await makeKey(SCOPES)).key}` }
  const wanted = { name: 'till', scopes: ['orders:submit'] }
  const made: { id: string; key: string } = JSON.parse(
    await (await call('POST', '/admin/api-keys', admin, wanted)).text(),
  )
  const till = { authorization: `Bearer ${made.key}` }
  expect((await call('GET', '/admin/audit', till)).status).toBe(403)
  const listed = await (await call('GET', '/admin/api-keys?limit=200', admin)).text()
  expect(listed).toContain(made.id)
  expect(listed).not.toContain(made.key.slice(-52))
  expect((await call('DELETE', `/admin/api-keys/${made.id}`, admin)).status).toBe(204)
  expect((await call('GET', '/admin/audit', till)).status).toBe(401)
  expect((await call('DELETE', `/admin/api-keys/${made.id}`, admin)).status).toBe(404)
  const audit = await (await call('GET', '/admin/audit?limit=2', admin)).json()
  expect(audit).toMatchObject({
    items: [
      { action: 'access.api_key_revoked', subject_id: made.id },
      { action: 'access.api_key_created', subject_id: made.id },
    ],
    next_cursor: expect.stringMatching(/^aud_/),
  })
})

test('the pages of the audit table meet without gap or repetition', async () => {
  const admin = { authorization: `Bearer ${(await makeKey(SCOPES)).key}` }
  await makeKey(['orders:read'])
  await makeKey(['orders:read'])
  const ids: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const query = cursor === '' ? '' : `&cursor=${cursor}`
    const page: { items: { id: string }[]; next_cursor: string | null } = JSON.parse(
      await (await call('GET', `/admin/audit?limit=2${query}`, admin)).text(),
    )
    ids.push(...page.items.map((item) => item.id))
    cursor = page.next_cursor
  }
  const { rows } = await context.database.pool.query('select id from platform.audit order by id')
  expect(ids.toReversed()).toEqual(rows.map((row: { id: string }) => row.id))
})

test('a login opens one session, however many come with it', async () => {
  const token = await logIn()
  const spent = await Promise.all(
    Array.from({ length: 8 }, () =>
      transact(context.database, (tx) => spendLogin(tx, 'main', token)),
    ),
  )
  expect(spent.filter((one) => one.ok)).toHaveLength(1)
  expect(spent.find((one) => !one.ok)).toMatchObject({ refusal: { code: 'login_expired' } })
})

test('an old login opens nothing', async () => {
  const token = await logIn()
  await db.asOwner(`update access.login set expires_at = now()`)
  const spent = await transact(context.database, (tx) => spendLogin(tx, 'main', token))
  expect(spent).toMatchObject({ ok: false, refusal: { code: 'login_expired' } })
})

test('a session does what its role may, until it ends', async () => {
  const session = await openSession('viewer')
  const caller = await verifySession(context.database, 'main', session)
  expect([...(caller?.scopes ?? [])]).toEqual([...ROLES.viewer])
  await withTransaction(context.database, (tx) => endSession(tx, 'main', session))
  expect(await verifySession(context.database, 'main', session)).toBeUndefined()
  const old = await openSession()
  await db.asOwner(`update access.session set expires_at = now()`)
  expect(await verifySession(context.database, 'main', old)).toBeUndefined()
})

test('a session changes things from pages of this origin only', async () => {
  const cookie = `a=b; holdfast_session=${await openSession()}`
  const body = { name: 'x', scopes: ['orders:read'] }
  const { host } = new URL(server.url)
  const statusWith = async (headers: Record<string, string>) =>
    (await call('POST', '/admin/api-keys', { cookie, ...headers }, body)).status
  expect(await statusWith({ 'sec-fetch-site': 'same-origin' })).toBe(201)
  expect(await statusWith({ origin: `http://${host}`, 'sec-fetch-site': 'same-origin' })).toBe(201)
  expect(await statusWith({ 'sec-fetch-site': 'same-site' })).toBe(403)
  expect(await statusWith({ 'sec-fetch-site': 'cross-site' })).toBe(403)
  const bare = { database: context.database, merchant: 'main', clock: context.clock }
  const { authenticate } = createAuthenticator(bare)
  const allowed = async (headers: Record<string, string>) =>
    (await authenticate({ cookie, host, ...headers }, 'POST')).ok
  expect(await allowed({ origin: `http://${host}` })).toBe(true)
  expect(await allowed({ origin: 'http://127.0.0.1:1' })).toBe(false)
  expect(await allowed({ origin: 'null' })).toBe(false)
  expect(await allowed({})).toBe(false)
  expect((await call('GET', '/admin/audit', { cookie, 'sec-fetch-site': 'none' })).status).toBe(200)
})

import { afterAll, beforeAll, expect, test } from 'vitest'
import { createAuthenticator, createLogin } from '#access/index.ts'
import { REFUSALS } from '#kernel/index.ts'
import { withTransaction } from '#platform/index.ts'
import type { Context } from '#platform/index.ts'
import { startHttpServer } from '#platform/http/index.ts'
import type { HttpServer } from '#platform/http/index.ts'
import { createTestContext, createTestDatabase } from '../../tests/database.ts'
import type { TestDatabase } from '../../tests/database.ts'
import { ageText } from './age-text.ts'
import { webRoutes } from './index.ts'

let db: TestDatabase
let context: Context
let server: HttpServer
let isReady = true
beforeAll(async () => {
  db = await createTestDatabase()
  context = await createTestContext(db.database)
  const authenticator = createAuthenticator(context)
  server = await startHttpServer({
    routes: webRoutes(context, {
      authenticator,
      isSecure: false,
      otherRoutes: [],
      readiness: async () => [{ name: 'database', ok: isReady }],
      stats: async () => ({
        stages: [{ id: 'held', label: '<i>Held</i>', count: 1_234, oldest_seconds: 7_200 }],
        work_lists: [{ id: 'review', label: 'Review', count: 2, oldest_seconds: null }],
        held: 1_234,
      }),
    }),
    host: '127.0.0.1',
    port: 0,
    log: context.log,
    authenticate: authenticator.authenticate,
  })
})
afterAll(async () => {
  await server.close()
  await db.drop()
})

const get = (path: string, cookie = '') =>
  fetch(server.url + path, { headers: { cookie }, redirect: 'manual' })
const post = (path: string, form: Record<string, string>, headers: Record<string, string> = {}) =>
  fetch(server.url + path, {
    method: 'POST',
    body: new URLSearchParams(form),
    headers: { 'sec-fetch-site': 'same-origin', ...headers },
    redirect: 'manual',
  })
const newLogin = () =>
  withTransaction(context.database, (tx) =>
    createLogin(tx, 'main', { actor: 'person:ada', role: 'owner' }),
  )
const tokenOf = (path: string) => new URL(path, server.url).searchParams.get('token') ?? ''
const logIn = async () => {
  const reply = await post('/console/login', { token: tokenOf((await newLogin()).path) })
  return reply.headers.get('set-cookie')?.split(';')[0] ?? ''
}

test('opening a login changes nothing, pressing its button spends it once', async () => {
  const { path } = await newLogin()
  for (const _preview of [1, 2]) {
    const page = await get(path)
    expect(page.status).toBe(200)
    expect(page.headers.get('set-cookie')).toBeNull()
    expect(await page.text()).toContain('<button>Log in</button>')
  }
  const first = await post('/console/login', { token: tokenOf(path) })
  expect(first.status).toBe(303)
  expect(first.headers.get('set-cookie')).toMatch(
    /^holdfast_session=[a-z2-7]{52}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/,
  )
  expect((await post('/console/login', { token: tokenOf(path) })).status).toBe(401)
})

test('another site cannot log a browser in', async () => {
  const token = tokenOf((await newLogin()).path)
  const foreign = await post('/console/login', { token }, { 'sec-fetch-site': 'cross-site' })
  expect(foreign.status).toBe(403)
  expect((await post('/console/login', { token })).status).toBe(303)
})

test('the console shows its counts to a session, and a notice to everybody else', async () => {
  const notice = await get('/console')
  expect(notice.status).toBe(401)
  expect(await notice.text()).not.toContain('1,234')
  const page = await get('/console', await logIn())
  const text = await page.text()
  expect(page.status).toBe(200)
  expect(text).toContain('&lt;i&gt;Held&lt;/i&gt;')
  expect(text).toMatch(/1,234\s*<\/td>\s*<td class="number" data-age>2 h</)
  expect(text).toMatch(/<caption>\s*Orders by stage\s*<\/caption>/)
})

test('the script and style of the console are the ones its policy admits', async () => {
  const page = await get('/console', await logIn())
  const text = await page.text()
  const policy = page.headers.get('content-security-policy') ?? ''
  for (const tag of ['script', 'style']) {
    const source = new RegExp(`<${tag}>(.*?)</${tag}>`, 's').exec(text)?.[1] ?? ''
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(source))
    expect(source.length).toBeGreaterThan(500)
    expect(policy).toContain(`${tag}-src 'sha256-${Buffer.from(digest).toString('base64')}'`)
  }
  expect(text).not.toMatch(/ (style|on\w+)="/)
})

test('stats need a caller who may read them', async () => {
  expect((await get('/admin/stats')).status).toBe(401)
  expect(await (await get('/admin/stats', await logIn())).json()).toMatchObject({
    stages: [{ id: 'held', count: 1_234 }],
  })
})

test('logging out ends the session', async () => {
  const cookie = await logIn()
  expect(
    (await post('/console/logout', {}, { cookie, 'sec-fetch-site': 'cross-site' })).status,
  ).toBe(403)
  const left = await post('/console/logout', {}, { cookie })
  expect(left.status).toBe(303)
  expect(left.headers.get('set-cookie')).toContain('holdfast_session=; Max-Age=0')
  expect((await get('/console', cookie)).status).toBe(401)
})

test('the API page lists every route and every code that a problem points at', async () => {
  const text = await (await get('/docs')).text()
  expect(text).toContain('GET /admin/stats')
  const missing = Object.keys(REFUSALS).filter((code) => !text.includes(`id="error-${code}"`))
  expect(missing).toEqual([])
})

test('ready says what is missing, alive stays alive', async () => {
  expect((await get('/readyz')).status).toBe(200)
  isReady = false
  const not = await get('/readyz')
  expect(not.status).toBe(503)
  expect(await not.json()).toEqual({
    status: 'not_ready',
    checks: [{ name: 'database', ok: false }],
  })
  expect((await get('/healthz')).status).toBe(200)
  expect((await get('/')).status).toBe(200)
})

test.each([
  [null, '–'],
  [0, '0 s'],
  [89, '89 s'],
  [90, '2 min'],
  [5_400, '2 h'],
  [200_000, '2 d'],
])('an age of %s seconds reads %s', (seconds, text) => {
  expect(ageText(seconds)).toBe(text)
})

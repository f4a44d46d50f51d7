import { expect, onTestFinished, test } from 'vitest'
import { accept } from '#kernel/index.ts'
import { silentLog } from '../log.ts'
import { route } from './route.ts'
import { startHttpServer } from './server.ts'

const open = { access: { kind: 'public' }, audit: { none: 'read' }, summary: 'x' } as const

const serve = async (handle: () => Promise<ReturnType<typeof accept<{ status: number }>>>) => {
  const { promise: answered, resolve } = Promise.withResolvers<void>()
  const slow = route({
    ...open,
    method: 'GET',
    path: '/slow',
    answerMaxMs: 300,
    handle: () => handle().finally(resolve),
  })
  const server = await startHttpServer({
    routes: [slow],
    host: '127.0.0.1',
    port: 0,
    log: silentLog,
    authenticate: async () => accept(undefined),
  })
  onTestFinished(() => server.close())
  return { url: `${server.url}/slow`, answered }
}

test('a request whose handler does not come back is answered 503, with a code and when to come again', async () => {
  const { url } = await serve(() => new Promise(() => undefined))
  const response = await fetch(url)
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
  expect(await response.json()).toMatchObject({ code: 'answer_late' })
})

test('a handler that comes back after its request was given up harms nobody', async () => {
  const late = Promise.withResolvers<ReturnType<typeof accept<{ status: number }>>>()
  const { url, answered } = await serve(() => late.promise)
  expect((await fetch(url)).status).toBe(503)
  late.resolve(accept({ status: 200 }))
  await answered
  expect((await fetch(url)).status).toBe(200)
})

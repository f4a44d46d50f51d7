import { createServer } from 'node:net'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { openDoor } from '../../../tests/database-door.ts'
import { awaitDatabase } from './await-database.ts'
import { checkSchema } from './migrate.ts'

const door = async () => {
  const made = await openDoor(inject('postgres').runtimeUrl)
  onTestFinished(() => made.close())
  return made
}
/** The address of a server that nobody runs. */
const nobody = async (): Promise<string> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  await new Promise((resolve) => server.close(resolve))
  return `postgres://u:secret@127.0.0.1:${port}/none?sslmode=disable`
}

test('a database that is starting is waited for, and told of once', async () => {
  const { url, turnedAway, open } = await door()
  const onWait = vi.fn<() => void>()
  const waiting = awaitDatabase(url, { waitMs: 30_000, onWait })
  await vi.waitFor(() => expect(turnedAway()).toBeGreaterThan(1), 10_000)
  open()
  expect(await waiting).toMatchObject({ ok: true })
  expect(onWait).toHaveBeenCalledOnce()
})

test('one that answers is not waited for', async () => {
  const onWait = vi.fn<() => void>()
  const url = inject('postgres').runtimeUrl
  expect(await awaitDatabase(url, { waitMs: 30_000, onWait })).toMatchObject({ ok: true })
  expect(onWait).not.toHaveBeenCalled()
})

test.each([
  ['that keeps starting', async () => (await door()).url],
  ['that nobody runs', nobody],
])('one %s is given up by its name, and not by its address', async (_, address) => {
  const refused = await awaitDatabase(await address(), { waitMs: 300 })
  expect(refused).toMatchObject({ ok: false, refusal: { code: 'database_unavailable' } })
  expect(JSON.stringify(refused)).not.toContain('127.0.0.1')
  const { url } = await door()
  const schema = await checkSchema(url)
  expect(schema).toMatchObject({ ok: false, refusal: { code: 'database_unavailable' } })
})

test('a password that is wrong is not waited for: no time makes it right', async () => {
  const { url, open } = await door()
  open()
  const wrong = new URL(url)
  wrong.password = 'wrong'
  expect(await awaitDatabase(wrong.href, { waitMs: 30_000 })).toMatchObject({ ok: true })
  const schema = await checkSchema(wrong.href)
  expect(schema).toMatchObject({ ok: false, refusal: { code: 'database_schema' } })
})

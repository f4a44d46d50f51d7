import { createServer } from 'node:net'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { openDoor } from '../../../tests/database-door.ts'
import { awaitDatabase } from './await-database.ts'
import { databaseAddress } from './database-faults.ts'
import { checkSchema, migrate } from './migrate.ts'

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
  return `postgres://somebody:secret@127.0.0.1:${port}/none?sslmode=disable`
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
])('one %s is given up by host and port, and never by user or password', async (_, address) => {
  const url = await address()
  const { host, username, password } = new URL(url)
  for (const refused of [await awaitDatabase(url, { waitMs: 300 }), await checkSchema(url)]) {
    expect(refused).toMatchObject({
      ok: false,
      refusal: {
        code: 'database_unavailable',
        detail: `The database at ${host} does not answer.`,
      },
    })
    expect(JSON.stringify(refused)).not.toContain(username)
    expect(JSON.stringify(refused)).not.toContain(password)
  }
})

test('a password that is wrong is not waited for: no time makes it right', async () => {
  const { url, open } = await door()
  open()
  const wrong = new URL(url)
  wrong.password = 'wrong'
  expect(await awaitDatabase(wrong.href, { waitMs: 30_000 })).toMatchObject({ ok: true })
  const schema = await checkSchema(wrong.href)
  expect(schema).toMatchObject({ ok: false, refusal: { code: 'database_unavailable' } })
  expect(schema.ok || schema.refusal.detail).toBe(
    `${wrong.host} refuses the login: check user and password of the address.`,
  )
})

test('a database that the server does not have is told by its server, not as a schema to migrate', async () => {
  const { url, open } = await door()
  open()
  const wrong = new URL(url)
  wrong.pathname = '/nowhere'
  const [schema, migrated] = [await checkSchema(wrong.href), await migrate(wrong.href)]
  for (const refused of [schema, migrated]) {
    expect(refused).toMatchObject({ ok: false, refusal: { code: 'database_unavailable' } })
    expect(refused.ok || refused.refusal.detail).toBe(`${wrong.host} has no such database.`)
  }
})

test.each([
  ['postgres://u:secret@db.example/shop', 'db.example:5432'],
  ['postgres://u:secret@db.example:5470/shop?sslmode=require', 'db.example:5470'],
  ['postgres://u:secret@/shop?host=%2Frun%2Fpg&port=5432', '/run/pg'],
])('the address of %s is told as %s', (url, address) => {
  expect(databaseAddress(url)).toBe(address)
})

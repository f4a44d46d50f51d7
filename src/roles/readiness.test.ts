import { expect, onTestFinished, test, vi } from 'vitest'
import { createTestDatabase } from '../../tests/database.ts'
import { openDoor } from '../../tests/database-door.ts'
import { openReadiness } from './readiness.ts'

test('probes of a database that froze are answered all the same, and share the look that is under way', async () => {
  const db = await createTestDatabase()
  onTestFinished(() => db.drop())
  const door = await openDoor(db.runtimeUrl)
  onTestFinished(() => door.close())
  door.open()
  const { look, close } = openReadiness(door.url, 'main')
  onTestFinished(close)
  const ready = [
    { name: 'database', ok: true },
    { name: 'ship_once_index', ok: true },
    { name: 'lanes', ok: true },
  ]
  expect(await look()).toEqual(ready)
  door.swallow()
  const during = await Promise.all([look(), look(), look()])
  expect(during).toEqual(Array.from({ length: 3 }, () => [{ name: 'database', ok: false }]))
  await vi.waitFor(async () => expect(await look()).toEqual(ready), 10_000)
})

test('a database that nobody runs is not ready', async () => {
  const { look, close } = openReadiness('postgres://somebody@127.0.0.1:1/none', 'main')
  onTestFinished(close)
  expect(await look()).toEqual([{ name: 'database', ok: false }])
})

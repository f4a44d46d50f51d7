import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createTestDatabase } from '../database.ts'
import { TEST_MASTER_KEY } from '../shop.ts'
import { openDoor } from '../database-door.ts'

const BIN = fileURLToPath(new URL('../../bin/holdfast.js', import.meta.url))

test('roles that start before their database wait for it, then serve', async () => {
  const base = await createTestDatabase()
  onTestFinished(() => base.drop())
  const door = await openDoor(base.runtimeUrl)
  onTestFinished(() => door.close())
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-starting-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const keyFile = join(folder, 'master.key')
  await writeFile(keyFile, TEST_MASTER_KEY, { mode: 0o600 })
  const serving = spawn(
    process.execPath,
    [BIN, 'serve', '--roles', 'web,orders,fulfillment,worker,ops', '--json'],
    {
      env: {
        ...process.env,
        HOLDFAST_DATABASE_URL: door.url,
        HOLDFAST_MASTER_KEY_FILE: keyFile,
        HOLDFAST_HTTP_PORT: '0',
        HOLDFAST_GRPC_PORT: '0',
        HOLDFAST_LOG_LEVEL: 'error',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  onTestFinished(() => void serving.kill('SIGKILL'))
  const said = { out: '', err: '' }
  serving.stdout.on('data', (chunk: Buffer) => (said.out += chunk.toString()))
  serving.stderr.on('data', (chunk: Buffer) => (said.err += chunk.toString()))
  await vi.waitFor(() => expect(door.turnedAway()).toBeGreaterThan(1), 30_000)
  expect({ ...said, code: serving.exitCode }).toMatchObject({ out: '', code: null })
  door.open()
  await vi.waitFor(() => expect(said.out).toContain('http_url'), 30_000)
  const { http_url: url } = JSON.parse(said.out)
  expect((await fetch(`${url}/readyz`)).status).toBe(200)
  expect(said.err).toContain('The database does not answer yet')
  const ended = once(serving, 'exit')
  serving.kill('SIGINT')
  expect(await ended).toEqual([0, null])
})

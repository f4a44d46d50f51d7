import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newWebhookSecret } from '#platform/webhooks/index.ts'
import { startSimulator } from '#simulator/index.ts'
import type { Simulator } from '#simulator/index.ts'
import { createTestDatabase } from '../../tests/database.ts'
import type { TestDatabase } from '../../tests/database.ts'
import { TEST_MASTER_KEY } from '../../tests/shop.ts'
import { runCli } from './cli.fixture.ts'

const SECRET = newWebhookSecret()
let folder: string
let db: TestDatabase
let simulator: Simulator
let settings: Record<string, string>
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-probe-'))
  db = await createTestDatabase()
  const both = { name: 'Partner', dispatchSecret: SECRET, eventSecret: SECRET }
  simulator = await startSimulator({
    dataDir: join(folder, 'simulator'),
    callbackUrl: 'http://127.0.0.1:1',
    partners: [
      { id: 'good', ...both },
      { id: 'late', ...both, profile: { grade: 'C', lookup_lag_ms: 40 } },
    ],
  })
  await writeFile(join(folder, 'secret'), `${SECRET}\n`)
  await writeFile(join(folder, 'key'), TEST_MASTER_KEY)
  settings = {
    HOLDFAST_DATABASE_URL: db.runtimeUrl,
    HOLDFAST_MASTER_KEY_FILE: join(folder, 'key'),
    HOLDFAST_DATA_DIR: join(folder, 'unused'),
  }
})
afterAll(async () => {
  await simulator.stop()
  await db.drop()
  await rm(folder, { recursive: true, force: true })
})

const urlOf = (id: string) => simulator.partners.find((one) => one.id === id)?.url ?? ''
const probe = (id: string, ...more: readonly string[]) => {
  const file = join(folder, 'secret')
  const url = ['--url', urlOf(id), '--secret-file', file, '--allow-private']
  return runCli(['partners', 'probe', ...url, ...more], {
    HOLDFAST_DATA_DIR: join(folder, 'nothing'),
  })
}

test('a partner probes its own endpoint without an installation', async () => {
  const { code, stdout, stderr } = await probe('good')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(/^ok +same_key +200$/m)
  expect(stdout).toContain('Measured grade: A')
  expect(existsSync(join(folder, 'nothing'))).toBe(false)
})

test('what is not reached exits with 1, unless less is expected', async () => {
  const first = await probe('late', '--json')
  expect(first.code).toBe(1)
  expect(JSON.parse(first.stdout)).toMatchObject({
    grade: 'C',
    is_complete: true,
    checks: expect.arrayContaining([
      expect.objectContaining({ name: 'same_key', outcome: 'failed', found: '201' }),
    ]),
  })
  expect((await probe('late', '--expect', 'C')).code).toBe(0)
})

test.each([
  ['both a partner and an address', ['shipco', '--url', 'https://a.example']],
  ['neither', []],
  ['an address without its secret', ['--url', 'https://a.example']],
  ['a file without a secret', ['--url', 'https://a.example', '--secret-file', '/dev/null']],
])('%s is wrong usage', async (_, args) => {
  expect(await runCli(['partners', 'probe', ...args])).toMatchObject({ code: 2, stdout: '' })
})

test('a registered partner gets the grade that was measured', async () => {
  const secret = ['--secret', SECRET, '--allow-private']
  await runCli(['partners', 'add', 'good', '--url', urlOf('good'), ...secret], settings)
  const { code, stdout } = await runCli(['partners', 'probe', 'good'], settings)
  expect(code).toBe(0)
  expect(stdout).toContain('Grade of good: A (was D)')
  const listed = await runCli(['partners', 'list', '--json'], settings)
  expect(JSON.parse(listed.stdout)).toMatchObject({
    partners: [{ id: 'good', grade: 'A', lookup_lag_ms: 0, graded_at: expect.any(String) }],
  })
  expect(await runCli(['partners', 'probe', 'nobody'], settings)).toMatchObject({ code: 1 })
})

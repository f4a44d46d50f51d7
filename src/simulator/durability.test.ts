import { fork } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { canonicalJson, RefusedError } from '#kernel/index.ts'
import { checkConfig } from './config.ts'
import { configOf, dispatch, fields, folder, keyOf, order, partner } from './sender.fixture.ts'
import { PATH, receiver, send } from './sender.fixture.ts'
import { startSimulator } from './start-simulator.ts'

const ledgerOf = (dataDir: string): string => join(dataDir, 'shipco', 'ledger.ndjson')

test('a key is remembered over a restart', async () => {
  const first = await partner()
  const sent = dispatch(keyOf('a'), [order('one')])
  const accepted = await first.post(sent)
  await first.stop()
  const second = await partner({ dataDir: first.dataDir })
  const replayed = await second.post(sent)
  expect(replayed.status).toBe(200)
  expect(replayed.text).toBe(accepted.text)
  expect(await second.post(dispatch(keyOf('b'), [order('one')]))).toMatchObject({ status: 409 })
  expect(await second.rows()).toHaveLength(1)
  expect(second.url).toBe(first.url)
})

test('a torn last line is cut and what was whole is kept', async () => {
  const first = await partner()
  await first.post(dispatch(keyOf('a'), [order('one')]))
  await first.stop()
  const { size } = await stat(ledgerOf(first.dataDir))
  await appendFile(ledgerOf(first.dataDir), '{"t":"accepted","at":"2026')
  const second = await partner({ dataDir: first.dataDir })
  expect(await second.rows()).toHaveLength(1)
  expect((await second.post(dispatch(keyOf('b'), [order('two')]))).status).toBe(201)
  await second.stop()
  const kept = await readFile(ledgerOf(first.dataDir), 'utf8')
  expect(kept.slice(size)).toMatch(/^\{"t":/)
  const third = await partner({ dataDir: first.dataDir })
  expect(await third.rows()).toHaveLength(2)
})

test('a ledger with a corrupt line is not served', async () => {
  const first = await partner()
  await first.post(dispatch(keyOf('a'), [order('one')]))
  await first.stop()
  await appendFile(ledgerOf(first.dataDir), 'garbage\n')
  const { url } = await receiver()
  await expect(startSimulator(configOf(first.dataDir, url))).rejects.toThrow('JSON')
})

test('a taken port is replaced, and that is said', async () => {
  const first = await partner()
  await first.stop()
  const squatter = createServer().listen(Number(new URL(first.url).port), '127.0.0.1')
  await once(squatter, 'listening')
  onTestFinished(() => void squatter.close())
  const second = await partner({ dataDir: first.dataDir })
  expect(second.url).not.toBe(first.url)
  expect(second.log.join()).toContain('is taken')
  await second.stop()
  const third = await partner({ dataDir: first.dataDir })
  expect(third.url).toBe(second.url)
})

test('every problem of a configuration is named at once, without its secrets', () => {
  const outcome = checkConfig({
    dataDir: '',
    callbackUrl: 'nowhere',
    partners: [{ id: 'Ship Co', name: 'S', dispatchSecret: 'hunter2', eventSecret: 'whsec_x' }],
    unheard: 1,
  })
  expect(outcome.ok).toBe(false)
  const detail = outcome.ok ? '' : outcome.refusal.detail
  for (const name of ['dataDir', 'callbackUrl', 'partners.0.id', 'dispatchSecret', 'unheard'])
    expect(detail).toContain(name)
  expect(detail).not.toContain('hunter2')
})

test('a second simulator on one directory is refused while the first lives', async () => {
  const first = await partner()
  const { lockDataDir } = await import('./lock-data-dir.ts')
  const second = await lockDataDir(first.dataDir, 0)
  expect(second).toMatchObject({ ok: false, refusal: { code: 'data_dir_busy' } })
  await first.stop()
  const third = await lockDataDir(first.dataDir, 0)
  expect(third.ok).toBe(true)
  if (third.ok) await third.value.release()
})

async function forked(dataDir: string, callbackUrl: string) {
  const file = join(dataDir, 'simulator.json')
  await writeFile(file, JSON.stringify(configOf(dataDir, callbackUrl)), { mode: 0o600 })
  const child = fork(join(import.meta.dirname, 'main.ts'), ['--config', file], { silent: true })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [message]: unknown[] = await once(child, 'message')
  const [first]: unknown[] = [fields(message)['partners']].flat()
  return { child, url: String(fields(first)['url']), gone: once(child, 'exit') }
}

test('kill -9 in the middle of the traffic loses no answered acceptance', async () => {
  const dataDir = await folder()
  const { url: callbackUrl } = await receiver()
  const { child, url, gone } = await forked(dataDir, callbackUrl)
  const answered = new Set<string>()
  const post = async (name: string): Promise<void> => {
    const sent = dispatch(keyOf(name), [order(name)])
    const answer = await send(url + PATH, canonicalJson(sent), sent.key)
    if (answer.status !== 201) return
    answered.add(`ful_${name}`)
    if (answered.size === 100) child.kill('SIGKILL')
  }
  await Promise.allSettled(Array.from({ length: 300 }, (_, at) => post(`n${at}`)))
  await gone
  expect(answered.size).toBeGreaterThanOrEqual(100)
  const second = await partner({ dataDir, callbackUrl })
  const kept = new Set((await second.rows()).map((row) => row['fulfillment_id']))
  expect([...answered].filter((id) => !kept.has(id))).toEqual([])
  await vi.waitFor(
    async () => expect((await second.summary()).body).toMatchObject({ events_pending: 0 }),
    { timeout: 30_000 },
  )
})

test('the process ends when its parent lets go, and on SIGTERM', async () => {
  const { url: callbackUrl } = await receiver()
  const first = await forked(await folder(), callbackUrl)
  first.child.disconnect()
  expect(await first.gone).toEqual([0, null])
  const second = await forked(await folder(), callbackUrl)
  second.child.kill('SIGTERM')
  expect(await second.gone).toEqual([0, null])
})

test('a configuration that others may read is refused', async () => {
  const { readConfig } = await import('./config.ts')
  const file = join(await folder(), 'simulator.json')
  await writeFile(file, JSON.stringify(configOf('x', 'http://127.0.0.1:1')))
  await chmod(file, 0o644)
  expect(await readConfig(file)).toMatchObject({ ok: false, refusal: { code: 'config_invalid' } })
  await chmod(file, 0o600)
  expect(await readConfig(file)).toMatchObject({ ok: true })
})

test('startSimulator refuses a wrong configuration by throwing the refusal', async () => {
  const config = { ...configOf(await folder(), 'http://127.0.0.1:1'), partners: [] }
  await expect(startSimulator(config)).rejects.toBeInstanceOf(RefusedError)
})

import { mkdir, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { orThrow } from '#kernel/index.ts'
import { claimOwnership, readLiveOwner } from './ownership.ts'
import { thisProcess } from './process-identity.ts'
import { makeTemporaryFolder } from './throwaway-cluster.ts'

let folder: string
beforeEach(async () => {
  folder = await makeTemporaryFolder()
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

const claim = () => claimOwnership(folder, folder)

async function writeRecord(number: number, change: Record<string, unknown>): Promise<string> {
  const record = { ...(await thisProcess()), dataDir: folder, state: 'ready', ...change }
  await mkdir(join(folder, 'owner'), { recursive: true })
  const path = join(folder, 'owner', `${number}.json`)
  await writeFile(path, JSON.stringify({ claimedAt: new Date().toISOString(), ...record }))
  return path
}

test('of many starts at once exactly one wins', async () => {
  const outcomes = await Promise.all(Array.from({ length: 12 }, claim))
  expect(outcomes.filter((outcome) => outcome.ok)).toHaveLength(1)
})

test('of many that take over from a dead owner exactly one wins', async () => {
  await writeRecord(41, { startTime: '1' })
  const outcomes = await Promise.all(Array.from({ length: 12 }, claim))
  expect(outcomes.filter((outcome) => outcome.ok)).toHaveLength(1)
  expect(await readdir(join(folder, 'owner'))).toEqual(['42.json'])
})

test('a live owner is refused by its pid', async () => {
  orThrow(await claim())
  const second = await claim()
  expect(second).toMatchObject({
    refusal: { code: 'data_dir_busy', meta: { pid: process.pid } },
  })
  expect(second.ok || second.refusal.detail).toContain(`process ${process.pid}`)
})

test('a released claim is free at once, in the same process too', async () => {
  await orThrow(await claim()).release()
  expect((await claim()).ok).toBe(true)
})

test('a process that reuses the pid of a dead owner is not taken for it', async () => {
  await writeRecord(1, { startTime: '1' })
  expect(await readLiveOwner(folder)).toBeUndefined()
  expect((await claim()).ok).toBe(true)
})

test('an owner from before a reboot is dead, whatever runs under its pid now', async () => {
  await writeRecord(1, { boot: 'an earlier boot' })
  expect(await readLiveOwner(folder)).toBeUndefined()
})

test('an owner on another host that touches its record is alive', async () => {
  const path = await writeRecord(1, { host: 'elsewhere', boot: 'another', pid: 1 })
  const touching = setInterval(() => void utimes(path, new Date(), new Date()), 50)
  const outcome = await claim()
  clearInterval(touching)
  expect(outcome).toMatchObject({ refusal: { code: 'data_dir_busy', meta: { host: 'elsewhere' } } })
})

test('drafts of starts that died are cleared away', async () => {
  await mkdir(join(folder, 'owner'))
  await writeFile(join(folder, 'owner', '1.json.abc.draft'), '{"pid"')
  orThrow(await claim())
  expect(await readdir(join(folder, 'owner'))).toEqual(['1.json'])
})

import { readFile } from 'node:fs/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import { invariant } from '#kernel/index.ts'
import { newDataDir, processesOf, removeDataDir, startPlatform } from './platform.ts'

/** The simulated partners of a data folder: a process of their own. */
async function partnersOf(dataDir: string): Promise<readonly number[]> {
  const found: number[] = []
  for (const pid of await processesOf(dataDir)) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    if (command.includes('simulator/main.ts')) found.push(pid)
  }
  return found
}

test('simulated partners that are killed come up again where they were, and tell what they had', async () => {
  const dataDir = await newDataDir()
  onTestFinished(() => removeDataDir(dataDir))
  const platform = await startPlatform(dataDir)
  onTestFinished(async () => void (await platform.stop()))
  const [ledger = ''] = platform.ledgers
  /** The keys of what it accepted, in order. */
  const keys = async () => {
    const text = await (await fetch(ledger)).text()
    return [...text.matchAll(/hfd1-[a-z2-7]{32}/g)].map(([key]) => key)
  }
  await vi.waitFor(async () => expect(await keys()).not.toEqual([]), 60_000)
  const before = await keys()
  const [pid] = await partnersOf(dataDir)
  invariant(pid, 'the partners run')
  process.kill(pid, 'SIGKILL')
  await vi.waitFor(async () => expect(await keys()).toEqual(expect.arrayContaining(before)), 30_000)
  expect(await partnersOf(dataDir)).toEqual([expect.any(Number)])
  expect(await partnersOf(dataDir)).not.toEqual([pid])
  expect(platform.said()).toContain('The simulated partners ended (SIGKILL) and are started again')
  expect(await platform.stop()).toBe(0)
  expect(await processesOf(dataDir)).toEqual([])
})

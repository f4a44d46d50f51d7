import { readFile } from 'node:fs/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
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
  const entries = async () => (await (await fetch(ledger)).text()).split('\n').length
  await vi.waitFor(async () => expect(await entries()).toBeGreaterThan(2), 60_000)
  const before = await entries()
  const [pid = 0] = await partnersOf(dataDir)
  process.kill(pid, 'SIGKILL')
  await vi.waitFor(async () => expect(await entries()).toBeGreaterThanOrEqual(before), 30_000)
  const [next = 0] = await partnersOf(dataDir)
  expect(next).not.toBe(pid)
  expect(platform.said()).toContain('The simulated partners ended (SIGKILL) and are started again')
  expect(await platform.stop()).toBe(0)
  expect(await processesOf(dataDir)).toEqual([])
})

import { expect, test, vi } from 'vitest'
import { silentLog } from './log.ts'
import { createShutdown, shutdownOnSignals } from './shutdown.ts'

test('parts end newest first, one after the other', async () => {
  const ended: string[] = []
  const shutdown = createShutdown({ log: silentLog })
  shutdown.onShutdown('database', () => void ended.push('database'))
  shutdown.onShutdown('server', async () => {
    await Promise.resolve()
    ended.push('server')
  })
  expect(await shutdown.run('test')).toBe(true)
  expect(ended).toEqual(['server', 'database'])
})

test('a part that fails or hangs is passed and told', async () => {
  const ended: string[] = []
  const shutdown = createShutdown({ log: silentLog, deadlineMs: 5 })
  shutdown.onShutdown('database', () => void ended.push('database'))
  shutdown.onShutdown('hangs', () => new Promise(() => undefined))
  shutdown.onShutdown('fails', () => Promise.reject(new Error('no')))
  expect(await shutdown.run('test')).toBe(false)
  expect(ended).toEqual(['database'])
})

test('stopping twice stops once', async () => {
  let count = 0
  const shutdown = createShutdown({ log: silentLog })
  shutdown.onShutdown('part', () => void (count += 1))
  await Promise.all([shutdown.run('a'), shutdown.run('b')])
  expect(count).toBe(1)
})

test('a part that comes while everything ends, or after, is ended too, and waited for', async () => {
  const ended: string[] = []
  const shutdown = createShutdown({ log: silentLog })
  shutdown.onShutdown('starting', async () => {
    await Promise.resolve()
    shutdown.onShutdown('late', async () => {
      await new Promise((resolve) => setImmediate(resolve))
      ended.push('late')
    })
    ended.push('starting')
  })
  expect(await shutdown.run('test')).toBe(true)
  expect(ended).toEqual(['starting', 'late'])
  shutdown.onShutdown('after', () => Promise.reject(new Error('no')))
  expect(await shutdown.run('test')).toBe(false)
})

test('a signal stops everything and exits with 0, Ctrl-C meanwhile exits at once with 1', async () => {
  const exits: number[] = []
  let release = (): void => undefined
  const shutdown = createShutdown({ log: silentLog })
  shutdown.onShutdown('slow', () => new Promise<void>((resolve) => (release = resolve)))
  shutdownOnSignals(shutdown, (code) => exits.push(code))
  process.emit('SIGTERM')
  process.emit('SIGTERM', 'SIGTERM')
  expect(exits).toEqual([])
  process.emit('SIGINT', 'SIGINT')
  expect(exits).toEqual([1])
  await vi.waitFor(() => {
    release()
    expect(exits).toEqual([1, 0])
  })
  process.removeAllListeners('SIGTERM')
  process.removeAllListeners('SIGINT')
})

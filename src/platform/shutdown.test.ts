import { expect, onTestFinished, test, vi } from 'vitest'
import { silentLog } from './log.ts'
import { createShutdown, secondInterrupt, shutdownOnSignals } from './shutdown.ts'

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

test('a part that hangs leaves time for those behind it', async () => {
  const ended: string[] = []
  const shutdown = createShutdown({ log: silentLog, deadlineMs: 2_000 })
  shutdown.onShutdown('database', async () => {
    await new Promise((resolve) => setTimeout(resolve, 300))
    ended.push('database')
  })
  for (const name of ['first', 'second'])
    shutdown.onShutdown(name, () => new Promise(() => undefined))
  expect(await shutdown.run('test')).toBe(false)
  expect(ended).toEqual(['database'])
})

const slowPart = (shutdown: ReturnType<typeof createShutdown>): (() => void) => {
  let release = (): void => undefined
  shutdown.onShutdown('slow', () => new Promise<void>((resolve) => (release = resolve)))
  return () => release()
}
const forgetSignals = (): void => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(signal)
}

test('a signal stops everything and exits with 0, and another one of whatever kind changes nothing', async () => {
  const exits: number[] = []
  const shutdown = createShutdown({ log: silentLog })
  const release = slowPart(shutdown)
  shutdownOnSignals(shutdown, (code) => exits.push(code))
  onTestFinished(forgetSignals)
  for (const signal of ['SIGTERM', 'SIGTERM', 'SIGINT', 'SIGHUP', 'SIGTERM'] as const)
    process.emit(signal, signal)
  expect(exits).toEqual([])
  await vi.waitFor(() => {
    release()
    expect(exits).toEqual([0])
  })
})

test('only a second press of Ctrl-C means at once', () => {
  let nowMs = 1_000
  const isSecond = secondInterrupt(() => nowMs)
  expect(isSecond('SIGTERM')).toBe(false)
  expect(isSecond('SIGINT')).toBe(false)
  // The same press again, as npm passes it on.
  nowMs += 20
  expect(isSecond('SIGINT')).toBe(false)
  nowMs += 2_000
  expect([isSecond('SIGTERM'), isSecond('SIGINT')]).toEqual([false, true])
})

test('a signal during the start waits for what is starting, and ends it', async () => {
  const ended: string[] = []
  const exits: number[] = []
  const shutdown = createShutdown({ log: silentLog })
  const begun = Promise.withResolvers<void>()
  const start = async (): Promise<void> => {
    await begun.promise
    shutdown.onShutdown('late', () => void ended.push('late'))
  }
  const { isStopping } = shutdownOnSignals(shutdown, (code) => exits.push(code), start())
  onTestFinished(forgetSignals)
  process.emit('SIGTERM', 'SIGTERM')
  expect([isStopping(), exits]).toEqual([true, []])
  begun.resolve()
  await vi.waitFor(() => expect([ended, exits]).toEqual([['late'], [0]]))
})

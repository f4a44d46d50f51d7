import { expect, test } from 'vitest'
import { textCache } from './text-cache.ts'

const FRESH_MS = 1_000

function cacheOf(entriesMax: number) {
  let nowMs = 0
  const made: string[] = []
  const cache = textCache<string>({
    clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
    freshMs: FRESH_MS,
    entriesMax,
  })
  const get = (key: string): Promise<string> =>
    cache.get(key, async () => {
      made.push(key)
      return `${key}${made.length}`
    })
  return { get, peek: cache.peek, made, pass: (ms: number) => (nowMs += ms) }
}

test('callers who miss together make an answer once', async () => {
  const { get, made } = cacheOf(2)
  expect(await Promise.all([get('a'), get('a'), get('a')])).toEqual(['a1', 'a1', 'a1'])
  expect(made).toEqual(['a'])
})

test('an answer is remembered until it is as old as may be, and not longer', async () => {
  const { get, peek, pass } = cacheOf(2)
  await get('a')
  pass(FRESH_MS - 1)
  expect(peek('a')).toBe('a1')
  pass(1)
  expect(peek('a')).toBeUndefined()
  expect(await get('a')).toBe('a2')
  expect(peek('a')).toBe('a2')
})

test('the oldest answer goes where there are too many; one made anew pushes nobody out', async () => {
  const { get, peek, pass } = cacheOf(2)
  await get('a')
  pass(FRESH_MS / 2)
  await get('b')
  pass(FRESH_MS / 2)
  // Stale, and made anew: now `b` is the oldest.
  await get('a')
  expect([peek('a'), peek('b')]).toEqual(['a3', 'b2'])
  await get('c')
  expect([peek('a'), peek('b'), peek('c')]).toEqual(['a3', undefined, 'c4'])
})

test('a failure is not an answer', async () => {
  const cache = textCache<string>({
    clock: { nowMs: () => 0, monotonicMs: () => 0 },
    freshMs: FRESH_MS,
    entriesMax: 2,
  })
  await expect(cache.get('a', () => Promise.reject(new Error('down')))).rejects.toThrow('down')
  expect(cache.peek('a')).toBeUndefined()
  expect(await cache.get('a', async () => 'here')).toBe('here')
})

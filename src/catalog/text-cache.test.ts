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

test('the oldest answer goes where there are too many, by the time when it was made', async () => {
  const { get, peek, pass } = cacheOf(3)
  await get('a')
  await get('b')
  pass(FRESH_MS)
  await get('a')
  await get('c')
  await get('d')
  expect(['a', 'c', 'd'].map(peek)).toEqual(['a3', 'c4', 'd5'])
  await get('e')
  expect(['a', 'c', 'd', 'e'].map(peek)).toEqual([undefined, 'c4', 'd5', 'e6'])
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

import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { z } from 'zod'

const { scripts } = z
  .object({ scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync('package.json', 'utf8')))
const [runner, ...filters] = (scripts['test:security'] ?? '')
  .split(' run ')
  .flatMap((part) => part.split(' '))
const tests = ['src', 'tests']
  .flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`),
  )
  .filter((name) => name.endsWith('.test.ts'))

test('every part of the security suite is there: a filter without a test would pass in silence', () => {
  expect(runner).toBe('vitest')
  expect(filters.length).toBeGreaterThan(10)
  expect(filters.filter((filter) => !tests.some((name) => name.includes(filter)))).toEqual([])
})

test('what tampers, forges and tricks is in the security suite', () => {
  const named = tests.filter((name) =>
    /critical|fields|forged|hostile|damage|vectors|golden/.test(name),
  )
  expect(named.length).toBeGreaterThanOrEqual(10)
  expect(named.filter((name) => !filters.some((filter) => name.includes(filter)))).toEqual([])
})

import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { importsOf } from './source-files.ts'

const AUDITOR = 'tests/crash/audit.ts'

test('the auditor shares no code with what it audits: it imports nothing at all', () => {
  const text = readFileSync(AUDITOR, 'utf8')
  expect(text.length).toBeGreaterThan(1_000)
  expect(importsOf(text)).toEqual([])
  // Nor does it reach the books in another way: no database, no network, no file.
  expect(text).not.toMatch(/\b(?:require|fetch|process|globalThis|eval)\b/)
})

test('the crash suite is judged by it', () => {
  const judged = readdirSync('tests/crash')
    .filter((name) => name.endsWith('.test.ts'))
    .filter((name) => importsOf(readFileSync(`tests/crash/${name}`, 'utf8')).includes('./audit.ts'))
  expect(judged).toContain('crash.test.ts')
})

test('the guard sees an import of ours', () => {
  expect(importsOf("import { x } from '#fulfillment/index.ts'\n")).toEqual([
    '#fulfillment/index.ts',
  ])
})

import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { referencePages } from '../../scripts/reference-pages.ts'

const pages = [...referencePages()]

test('the generated pages are there to be compared', () => {
  expect(pages.map(([name]) => name)).toEqual([
    'cli.md',
    'config.md',
    'errors.md',
    'events.md',
    'flags.md',
    'limits.md',
    'metrics.md',
    'review.md',
  ])
})

test.each(pages)(
  'docs/reference/%s is what the code says: npm run docs writes it',
  async (name, text) => {
    const url = new URL(`../../docs/reference/${name}`, import.meta.url)
    expect(await readFile(url, 'utf8')).toBe(text)
  },
)

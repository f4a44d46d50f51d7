import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { expect, test } from 'vitest'

const pages = [
  ...readdirSync('.').filter((name) => name.endsWith('.md')),
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
].map((path) => ({ path, text: readFileSync(path, 'utf8') }))
const decisions = pages.filter(({ path }) => /^docs\/decisions\/\d{4}-\d\d-\d\d-/.test(path))

test('every link of the documents leads to a file', () => {
  expect(pages.length).toBeGreaterThan(15)
  expect(pages.flatMap(linksOf).length).toBeGreaterThan(20)
  expect(pages.flatMap(deadLinks)).toEqual([])
})

test('every decision has its context, its decision and a test that confirms it', () => {
  expect(decisions.length).toBeGreaterThan(5)
  expect(decisions.flatMap(unconfirmed)).toEqual([])
})

test('every decision stands in the list of decisions', () => {
  const list = readFileSync('docs/decisions/README.md', 'utf8')
  const names = decisions.map(({ path }) => posix.basename(path))
  expect(names.filter((name) => !list.includes(`(${name})`))).toEqual([])
})

test('the guards see a dead link and a confirmation that is none', () => {
  const page = (text: string) => ({ path: 'docs/decisions/2026-01-01-a.md', text })
  expect(deadLinks(page('[a](nowhere.md) [b](../../README.md#x) [c](https://a.example)'))).toEqual([
    'docs/decisions/2026-01-01-a.md: nowhere.md',
  ])
  const told = '**Context.** x **Decision.** y **Confirmation.** '
  expect(unconfirmed(page('**Context.** x **Decision.** y'))).toHaveLength(2)
  expect(unconfirmed(page(`${told}we looked`))).toHaveLength(1)
  expect(unconfirmed(page(`${told}\`tests/house/gone.test.ts\``))).toHaveLength(1)
  expect(unconfirmed(page(`${told}\`tests/house/documents.test.ts\` "no such test"`))).toHaveLength(
    1,
  )
  expect(
    unconfirmed(
      page(
        `${told}\`tests/house/documents.test.ts\` "every link of the\ndocuments leads to a file"`,
      ),
    ),
  ).toEqual([])
})

function linksOf({ text }: { text: string }): readonly string[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1] ?? '')
    .filter((link) => !/^(?:[a-z]+:|#)/.test(link))
}

function deadLinks(page: { path: string; text: string }): readonly string[] {
  return linksOf(page)
    .filter((link) => !existsSync(posix.join(posix.dirname(page.path), link.replace(/#.*/, ''))))
    .map((link) => `${page.path}: ${link}`)
}

// A confirmation names test files by path; what it quotes are titles of tests in one of them.
function unconfirmed({ path, text }: { path: string; text: string }): readonly string[] {
  const faults = ['Context', 'Decision', 'Confirmation']
    .filter((part) => !text.includes(`**${part}.**`))
    .map((part) => `${path}: no ${part}`)
  const confirmation = text.split('**Confirmation.**')[1]?.replaceAll(/\s+/g, ' ') ?? ''
  const files = [...confirmation.matchAll(/`([^`]+\.test\.ts)`/g)].map((match) => match[1] ?? '')
  if (files.length === 0) faults.push(`${path}: no test is named`)
  faults.push(...files.filter((file) => !existsSync(file)).map((file) => `${path}: no ${file}`))
  const tests = files
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n')
  const titles = [...confirmation.matchAll(/"([^"]+)"/g)].map((match) => match[1] ?? '')
  const unknown = titles.filter((title) => !tests.includes(`'${title}'`))
  return [...faults, ...unknown.map((title) => `${path}: no test "${title}"`)]
}

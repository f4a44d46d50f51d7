import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { leavesOf } from '../../scripts/cli-page.ts'
import { holdfastProgram } from '../../src/cli/program.ts'
import { FLAGS } from '../../src/flags/index.ts'
import { REFUSALS } from '../../src/kernel/index.ts'
import { METRICS } from '../../src/telemetry/index.ts'

/** What the report names and numbers: each has exactly one row in its section. */
const REPORTED = {
  Metrics: [
    '`order_hold_for_review_rate`',
    '`inventory_negative_stock_skus`',
    '`storefront_circuit_breaker_state`',
    '`webhook_duplicate_dispatches_total`',
    '`webhook_idempotency_key_collisions`',
    '`order_auto_approved_total`',
  ],
  Flags: [
    '`order_hold_for_review_enabled`',
    '`idempotency_key_format_v2`',
    '`batch_retry_enabled`',
    '`fulfillment_webhook_async`',
  ],
  Actions: [...Array.from({ length: 12 }, (_, index) => String(index + 1)), ...prefixed('P', 5)],
  Lessons: [...prefixed('W', 3), ...prefixed('L', 5)],
} as const

/** A row: its section, its first cell, and the last two, which say where it lives and what holds it. */
type Row = {
  readonly section: string
  readonly name: string
  readonly place: string
  readonly held: string
}

const page = readFileSync('docs/reference/incident-map.md', 'utf8')
const rows = rowsOf(page)
const names = new Set([FLAGS, METRICS, REFUSALS].flatMap((table) => Object.keys(table)))
const commands = leavesOf(holdfastProgram()).map((leaf) => {
  const path: string[] = []
  for (let at = leaf; at.parent; at = at.parent) path.unshift(at.name())
  return path.join(' ')
})

test('every metric, flag, action and lesson of the report has one row', () => {
  for (const [section, reported] of Object.entries(REPORTED)) {
    const own = rows.filter((row) => row.section === section).map(({ name }) => name)
    expect({ section, own: own.toSorted() }).toEqual({ section, own: [...reported].toSorted() })
  }
})

test('every file, command, metric, flag, code and test of the map exists', () => {
  expect(rows.length).toBeGreaterThanOrEqual(51)
  expect(rows.filter(({ section }) => section === 'Systems').length).toBeGreaterThanOrEqual(16)
  expect(rows.flatMap(({ held }) => filesIn(held)).length).toBeGreaterThan(30)
  expect(commands.length).toBeGreaterThan(40)
  expect(rows.flatMap(faults)).toEqual([])
})

test('what the map says before its tables holds too', () => {
  expect(
    faults({ section: '', name: 'intro', place: '', held: page.split('\n## ')[0] ?? '' }),
  ).toEqual([])
})

test('the guard sees what is not there, and a row that names no test and does not say so', () => {
  const at = (place: string, held: string) =>
    faults({ section: 'Actions', name: '1', place, held }).length
  const sound = '`tests/house/incident-map.test.ts` "what the map says before its tables holds too"'
  expect(at('`src/orders/review.ts`, `holdfast flags list`, `flag_refused`', sound)).toBe(0)
  expect(at('', 'not yet: nobody is paged')).toBe(0)
  expect(at('`src/orders/gone.ts`', sound)).toBe(1)
  expect(at('`holdfast flags forget`', sound)).toBe(1)
  expect(at('`order_hold_rate`', sound)).toBe(1)
  expect(at('', '`tests/house/incident-map.test.ts`')).toBe(1)
  expect(at('', '`tests/house/incident-map.test.ts` "no such test"')).toBe(1)
  expect(at('', '')).toBe(1)
  expect(at('', 'surely')).toBe(1)
})

function prefixed(letter: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${letter}${index + 1}`)
}

function rowsOf(text: string): readonly Row[] {
  return text
    .split('\n## ')
    .slice(1)
    .flatMap((part) => {
      const [section = '', ...lines] = part.split('\n')
      const table = lines.filter((line) => line.startsWith('|')).slice(2)
      return table.map((line) => {
        const cells = line.split('|').map((cell) => cell.trim())
        const [place = '', held = ''] = cells.slice(-3, -1)
        return { section, name: cells[1] ?? '', place, held }
      })
    })
}

function faults({ name, place, held }: Row): readonly string[] {
  const found = codesIn(`${place} ${held}`).filter((code) => !isKnown(code))
  const files = filesIn(held)
  const titles = [...held.matchAll(/"([^"]+)"/g)].map((match) => match[1] ?? '')
  const tests = files
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n')
  // The title of a test is followed by its body.
  const unknown = titles
    .map((title) => title.replaceAll(/\s+/g, ' '))
    .filter((title) => !tests.includes(`'${title}',`) && !tests.includes(`"${title}",`))
  const isHeld = files.length > 0 && titles.length > 0
  const missing = isHeld || held.startsWith('not yet') ? [] : ['neither a test nor "not yet"']
  return [...found, ...unknown, ...missing].map((fault) => `${name}: ${fault}`)
}

const codesIn = (text: string): readonly string[] =>
  [...text.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '')

const filesIn = (text: string): readonly string[] =>
  codesIn(text).filter((code) => code.endsWith('.test.ts'))

function isKnown(code: string): boolean {
  const command = /^(?:npx )?holdfast (.+)$/.exec(code)?.[1]
  if (command !== undefined) {
    return commands.some((path) => command === path || command.startsWith(`${path} `))
  }
  return code.includes('/') ? existsSync(code) : names.has(code)
}

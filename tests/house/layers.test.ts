import { posix } from 'node:path'
import { expect, test } from 'vitest'
import { filesBelow, importsOf, isTestFile } from './source-files.ts'
import type { SourceFile } from './source-files.ts'

/** The floor of each folder of `src`; a file imports its own folder or a lower floor. */
const FLOORS = new Map([
  ['kernel', 0],
  ['platform', 1],
  ['telemetry', 2],
  ['access', 2],
  ['wire', 2],
  ['flags', 2.5],
  ['catalog', 3],
  ['partners', 3],
  ['cases', 3],
  ['inventory', 3.5],
  ['orders', 4],
  ['fulfillment', 5],
  ['reconciliation', 6],
  ['subscriptions', 6],
  ['web', 8],
  ['simulator', 8],
  ['roles', 8.1],
  ['cli', 8.2],
])

const sources = filesBelow('src')
const lab = filesBelow('lab')

test('imports go down the house, through the door of the folder', () => {
  expect(sources.length).toBeGreaterThan(150)
  expect(sources.flatMap(({ text }) => importsOf(text)).length).toBeGreaterThan(500)
  expect(sources.flatMap(faults)).toEqual([])
})

test('every folder of src has a floor, and every floor a folder', () => {
  const folders = new Set(sources.map(({ path }) => path.split('/')[1] ?? ''))
  expect([...folders].toSorted()).toEqual([...FLOORS.keys()].toSorted())
})

test('the lab stands on the house through its doors, and on nothing else', () => {
  expect(lab.length).toBeGreaterThan(20)
  expect(lab.flatMap(({ text }) => importsOf(text)).length).toBeGreaterThan(80)
  expect(lab.flatMap(labFaults)).toEqual([])
})

test('the world without guards is reached by the lab and its tests alone', () => {
  const others = ['src', 'scripts', 'bench', 'examples'].flatMap(filesBelow)
  expect(others.length).toBeGreaterThan(300)
  expect(others.flatMap(unguardedFaults)).toEqual([])
})

test('the guard sees what the lab may not do, and who may not reach it', () => {
  const at = (target: string) =>
    labFaults({ path: 'lab/incident/a.ts', text: `import { x } from '${target}'\n` }).length
  expect(at('#orders/index.ts') + at('../unguarded/a.ts') + at('zod')).toBe(0)
  expect(at('#orders/review.ts')).toBe(1)
  expect(at('#cellar/index.ts')).toBe(1)
  expect(at('../../src/orders/index.ts')).toBe(1)
  expect(at('../../tests/shop.ts')).toBe(1)
  expect(at('./a.test.ts')).toBe(1)
  const from = (text: string) => unguardedFaults({ path: 'src/cli/a.test.ts', text }).length
  expect(from("import { x } from '../../lab/unguarded/open-books.ts'")).toBe(1)
  expect(from('await import(`${lab}/unguarded/open-books.ts`)')).toBe(1)
  expect(from("spawn('node', ['../../lab/unguarded/run-unguarded.ts'])")).toBe(1)
  expect(from("import { x } from '../../lab/incident/run-incident.ts'")).toBe(1)
  expect(from("fileURLToPath(new URL('../../lab/main.ts', import.meta.url))")).toBe(0)
})

test('the guard sees every kind of import that it forbids', () => {
  const from = (path: string, target: string) =>
    faults({ path, text: `import { x } from '${target}'\n` })
  expect(from('src/kernel/a.ts', '#orders/index.ts')).toHaveLength(1)
  expect(from('src/orders/a.ts', '#fulfillment/index.ts')).toHaveLength(1)
  expect(from('src/catalog/a.ts', '#partners/index.ts')).toHaveLength(1)
  expect(from('src/orders/a.ts', '#simulator/index.ts')).toHaveLength(1)
  expect(from('src/orders/a.ts', '#catalog/upsert-products.ts')).toHaveLength(1)
  expect(from('src/orders/a.ts', '../catalog/index.ts')).toHaveLength(1)
  expect(from('src/orders/a.ts', '#orders/index.ts')).toHaveLength(1)
  expect(from('src/orders/a.ts', '#cellar/index.ts')).toHaveLength(1)
  expect(from('src/orders/a.ts', '../../tests/database.ts')).toHaveLength(1)
  expect(from('src/orders/a.ts', './a.test.ts')).toHaveLength(1)
  expect(from('src/orders/place.ts', './orders.http.ts')).toHaveLength(1)
  expect(from('src/cli/a.ts', '#orders/orders.http.ts').length).toBeGreaterThan(0)
  const upward = [
    "await import('#orders/index.ts')",
    'await import(`#orders/index.ts`)',
    "export { x } from '#orders/index.ts'",
    'import { x } from "#orders/index.ts"',
    "createRequire(import.meta.url)('#orders/index.ts')",
    "export const a = 1\n// It isn't seen by all.\nimport { x } from '#orders/index.ts'",
  ]
  const unseen = upward.filter((text) => faults({ path: 'src/kernel/a.ts', text }).length !== 1)
  expect(unseen).toEqual([])
})

test('the guard lets through what the house allows', () => {
  const from = (path: string, target: string) =>
    faults({ path, text: `import {\n  x,\n  y,\n} from '${target}'\n` })
  expect(from('src/orders/a.ts', '#catalog/index.ts')).toEqual([])
  expect(from('src/roles/a.ts', '#platform/embedded/index.ts')).toEqual([])
  expect(from('src/platform/http/a.ts', '../config.ts')).toEqual([])
  expect(from('src/orders/index.ts', './orders.http.ts')).toEqual([])
  expect(from('src/orders/orders.admin.http.ts', './orders.http.ts')).toEqual([])
  expect(from('src/orders/shop.fixture.ts', '#simulator/index.ts')).toEqual([])
  expect(from('src/fulfillment/index.ts', './ship/inbound.http.ts')).toEqual([])
  expect(from('src/orders/a.test.ts', '../../tests/database.ts')).toEqual([])
})

function faults({ path, text }: SourceFile): readonly string[] {
  return importsOf(text).flatMap((target) => {
    const fault = target.startsWith('.') ? insideFault(path, target) : doorFault(path, target)
    return fault === undefined ? [] : [`${path} -> ${target}: ${fault}`]
  })
}

// './x.ts' and '../x.ts': stays in the folder, and production code leaves tests and transports alone.
function insideFault(path: string, target: string): string | undefined {
  const to = posix.join(posix.dirname(path), target)
  if (isTestFile(path)) return undefined
  if (/^(tests|bench|lab)\//.test(to)) return 'production code imports no tests and no benches'
  if (isTestFile(to)) return 'production code imports no test file'
  if (folderOf(to) !== folderOf(path)) return "another folder is imported as '#folder/index.ts'"
  if (/\.(http|grpc)\.ts$/.test(to) && !mayMount(path)) {
    return 'a transport is imported by transports and the index.ts of its folder, and by roles'
  }
  return undefined
}

function doorFault(path: string, target: string): string | undefined {
  if (!target.startsWith('#')) return undefined
  const [, to = '', rest = ''] = /^#([^/]+)\/(.*)$/.exec(target) ?? []
  const from = folderOf(path)
  const floor = FLOORS.get(to)
  if (floor === undefined) return 'no such folder'
  if (to === from) return "the own folder is imported as './file.ts'"
  // The simulator is the other side of the wire: a test may stand beside it from any floor.
  const isOtherSide = to === 'simulator' && isTestFile(path)
  if (floor >= (FLOORS.get(from) ?? -1) && !isOtherSide) return 'that is not a lower floor'
  const isDoor = rest === 'index.ts' || (to === 'platform' && /^[a-z]+\/index\.ts$/.test(rest))
  return isDoor ? undefined : 'the way in is index.ts'
}

function labFaults({ path, text }: SourceFile): readonly string[] {
  return importsOf(text).flatMap((target) => {
    const fault = target.startsWith('.') ? besideFault(path, target) : houseFault(target)
    return fault === undefined || isTestFile(path) ? [] : [`${path} -> ${target}: ${fault}`]
  })
}

function besideFault(path: string, target: string): string | undefined {
  const to = posix.join(posix.dirname(path), target)
  if (!to.startsWith('lab/')) return "the house is imported as '#folder/index.ts'"
  return isTestFile(to) ? 'the lab imports no test file' : undefined
}

function houseFault(target: string): string | undefined {
  const [, to = '', rest = ''] = /^#([^/]+)\/(.*)$/.exec(target) ?? []
  if (!target.startsWith('#')) return undefined
  if (!FLOORS.has(to)) return 'no such folder'
  const isDoor = rest === 'index.ts' || (to === 'platform' && /^[a-z]+\/index\.ts$/.test(rest))
  return isDoor ? undefined : 'the way in is index.ts'
}

// Imported or not: no string outside of the lab leads to it, except to its own process.
function unguardedFaults({ path, text }: SourceFile): readonly string[] {
  const strings = [...text.matchAll(/(['"`])([^'"`\n]*\/(?:lab|unguarded)\/[^'"`\n]*)\1/g)]
  return strings
    .map((match) => match[2] ?? '')
    .filter((target) => target !== '../../lab/main.ts')
    .map((target) => `${path} -> ${target}: the lab is its own process`)
}

function folderOf(path: string): string {
  return path.split('/')[1] ?? ''
}

function mayMount(path: string): boolean {
  return /(?:\/index|\.http|\.grpc)\.ts$/.test(path) || path.startsWith('src/roles/')
}

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { expect, test } from 'vitest'
import { sha256Hex } from '../../src/kernel/index.ts'
import { withoutComments } from './source-files.ts'

/** What derives keys and makes bytes that are sealed, signed or digested. */
const ROOTS = [
  'src/fulfillment/idempotency-key.ts',
  'src/fulfillment/seal/seal-body.ts',
  'src/fulfillment/seal/seal-proof.ts',
  'src/wire/approval.ts',
  'src/wire/order-digest.ts',
  'src/wire/seal-hand-over.ts',
  'src/wire/submitted-order.ts',
  'src/wire/withdrawal-proof.ts',
]
/** What none of it may reach, by any way. */
const FORBIDDEN_FILES =
  /^src\/(?:flags|telemetry|access|roles|cli)\/|\/(?:clock|ids|seeded-random|config|provenance)\.ts$/
const FORBIDDEN_WORDS =
  /\bDate\b|Math\.random|process\.(?:env|hrtime|argv)|performance\.now|random(?:Bytes|UUID|Int|FillSync)|generateKey|getRandomValues|\bIntl\b|toLocale|localeCompare/

const VECTORS = ['tests/vectors/idempotency-key.json', 'tests/vectors/sealed-promise.json']

test('what derives keys and sealed bytes reaches no clock, no chance, no flag and no setting', () => {
  const reached = reachedFrom(ROOTS, readSource)
  // The kernel alone is more than one file away from each root.
  expect(reached.size).toBeGreaterThan(ROOTS.length + 3)
  expect([...reached].flatMap((path) => faults(path, readSource(path)))).toEqual([])
})

test('the published vectors are those that a decision names', () => {
  const decisions = readdirSync('docs/decisions').map((name) =>
    readFileSync(`docs/decisions/${name}`, 'utf8'),
  )
  for (const path of VECTORS) {
    const digest = sha256Hex(readFileSync(path))
    expect(decisions.filter((text) => text.includes(digest)).length).toBeGreaterThan(0)
  }
})

test('the guard sees a clock behind two doors, and lets types and other names of a door through', () => {
  const files: Record<string, string> = {
    'src/a/key.ts':
      "import { name } from '#b/index.ts'\nimport type { Clock } from '#b/index.ts'\n",
    'src/b/index.ts':
      "export { name } from './name.ts'\nexport { now } from './clock.ts'\nexport type { T } from './t.ts'\n",
    'src/b/name.ts': "import { now as later } from './clock.ts'\nexport const name = later\n",
    'src/b/clock.ts': 'export const now = () => Date.now()\n',
  }
  const read = (path: string) => files[path] ?? ''
  const all = reachedFrom(['src/a/key.ts'], read)
  expect([...all]).toEqual(['src/a/key.ts', 'src/b/name.ts', 'src/b/clock.ts'])
  expect([...all].flatMap((path) => faults(path, read(path)))).toHaveLength(2)
  files['src/b/name.ts'] = "export const name = 'x'\n"
  expect([...reachedFrom(['src/a/key.ts'], read)]).toEqual(['src/a/key.ts', 'src/b/name.ts'])
  expect(faults('src/a/b.ts', 'const a = process.env["X"]\n')).toHaveLength(1)
  expect(faults('src/a/b.ts', '// A Date in words is none.\n')).toEqual([])
})

function readSource(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

/** The files that are reached, name by name through an index.ts: a door has other names, too. */
function reachedFrom(roots: readonly string[], read: (path: string) => string): Set<string> {
  const reached = new Set<string>()
  const visit = (path: string): void => {
    if (reached.has(path) || path.includes('/gen/')) return
    reached.add(path)
    for (const one of importsIn(path, read(path))) {
      const target = one.isDoor ? behind(one.target, one.name, read) : one.target
      visit(target)
    }
  }
  for (const root of roots) visit(root)
  return reached
}

type Import = { readonly target: string; readonly name: string; readonly isDoor: boolean }

function importsIn(path: string, text: string): readonly Import[] {
  const found = [
    ...text.matchAll(/^(?:import|export) (?!type\b)(?:(\*[^']*)|\{([^}]*)\})\s*from '([^']+)'/gm),
  ]
  return found.flatMap(([, star, names, from = '']) => {
    const target = resolved(path, from)
    if (target === undefined) return []
    const isDoor = target.endsWith('/index.ts')
    if (star !== undefined) return [{ target, name: '*', isDoor: false }]
    return (names ?? '')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '' && !name.startsWith('type '))
      .map((name) => ({ target, name: name.split(' as ')[0] ?? name, isDoor }))
  })
}

function resolved(path: string, from: string): string | undefined {
  if (from.startsWith('#')) return `src/${from.slice(1)}`
  return from.startsWith('.') ? posix.join(posix.dirname(path), from) : undefined
}

/** The file that a name of a door stands for; the door itself where the name is its own. */
function behind(door: string, name: string, read: (path: string) => string): string {
  for (const [, names = '', from = ''] of read(door).matchAll(
    /^export \{([^}]*)\}\s*from '([^']+)'/gm,
  )) {
    const isHere = names.split(',').some((one) => one.trim().split(' as ').at(-1) === name)
    const target = isHere ? resolved(door, from) : undefined
    if (target !== undefined)
      return target.endsWith('/index.ts') ? behind(target, name, read) : target
  }
  return door
}

function faults(path: string, text: string): readonly string[] {
  const words = FORBIDDEN_WORDS.exec(withoutComments(text))
  return [
    ...(text === '' ? [`${path}: is not there`] : []),
    ...(FORBIDDEN_FILES.test(path) ? [`${path}: may not be reached`] : []),
    ...(words ? [`${path}: ${words[0]}`] : []),
  ]
}

import { expect, test } from 'vitest'
import { filesBelow, isTestFile, withoutComments } from './source-files.ts'
import type { SourceFile } from './source-files.ts'

const sources = ['src', 'lab'].flatMap(filesBelow)
const files = ['src', 'lab', 'tests', 'scripts'].flatMap(filesBelow)

/** What is never written, as it would stand in the code, and what to call it. */
const FORBIDDEN: readonly (readonly [RegExp, string])[] = [
  [/(?::|\bas|[<,|&]|=>)\s*any\b(?!\s*\()/, 'any'],
  [/\bany\[\]/, 'any'],
  [/^export default\b|\bas default\b/m, 'a default export'],
  [/^(?:export )?(?:const )?enum\s/m, 'an enum'],
  [/^(?:export )?namespace\s/m, 'a namespace'],
]
const SILENCED = /@ts-(?:ignore|nocheck|expect-error)/
const FORBIDDEN_NAME = /(?:^|[-./])(?:utils?|commons?|helpers?|managers?|services?|misc)(?:[-.]|$)/

test('no file has any, a silenced type error, a default export, an enum or a namespace', () => {
  expect(files.length).toBeGreaterThan(200)
  expect(files.flatMap(forbidden)).toEqual([])
})

test('no file is named for what it is not', () => {
  expect(files.filter(({ path }) => isVague(path)).map(({ path }) => path)).toEqual([])
})

test('every exported thing of src and lab tells what it is', () => {
  const looked = sources.filter(({ path }) => !isTestFile(path))
  expect(looked.length).toBeGreaterThan(150)
  expect(looked.flatMap(({ text }) => exportsOf(text)).length).toBeGreaterThan(400)
  expect(looked.flatMap(untold)).toEqual([])
})

test('the guards see what they forbid', () => {
  const at = (text: string) => forbidden({ path: 'src/orders/a.ts', text })
  expect(at('const x: any = 1')).toHaveLength(1)
  expect(at('f(x as any)')).toHaveLength(1)
  expect(at('new Map<any, string>()')).toHaveLength(1)
  expect(at('type X = string | any')).toHaveLength(1)
  expect(at('// @ts-ignore\nf()')).toHaveLength(1)
  expect(at('const a = 1\nexport default a')).toHaveLength(1)
  expect(at('export { a as default }')).toHaveLength(1)
  expect(at('export enum A {}')).toHaveLength(1)
  expect(at('// as any other\n/** any: no */\nconst text = "has: any"')).toHaveLength(0)
  expect(isVague('src/orders/order-utils.ts')).toBe(true)
  expect(isVague('src/orders/helpers/a.ts')).toBe(true)
  expect(isVague('src/orders/order-service.test.ts')).toBe(true)
  expect(isVague('src/platform/serve-route.ts')).toBe(false)
  const bare = 'export const a = 1\n/** Told. */\nexport function b() {}\n\nexport type C = 1\n'
  expect(untold({ path: 'src/a.ts', text: bare })).toEqual(['src/a.ts: a', 'src/a.ts: C'])
  const list = 'const a = 1\nexport {\n  a,\n}\nexport { b } from "./b.ts"\n'
  expect(untold({ path: 'src/a.ts', text: list })).toEqual(['src/a.ts: a list'])
})

function forbidden({ path, text }: SourceFile): readonly string[] {
  const code = withoutComments(text).replaceAll(/"[^"\n]*"|'[^'\n]*'/g, "''")
  const found = FORBIDDEN.filter(([pattern]) => pattern.test(code)).map(([, name]) => name)
  const isGuard = path === 'tests/house/plain-code.test.ts'
  if (SILENCED.test(text) && !isGuard) found.push('a silenced type error')
  return found.map((name) => `${path}: ${name}`)
}

function isVague(path: string): boolean {
  return path.split('/').some((part) => FORBIDDEN_NAME.test(part))
}

const EXPORTED =
  /^export (?:declare )?(?:async )?(?:const|let|function\*?|class|type|interface) (\w+)/

function exportsOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => EXPORTED.test(line))
}

// The line above an export closes its docstring; a lint directive may stand between. Overloads share
// one, and so do a schema and the type inferred from it.
function untold({ path, text }: SourceFile): readonly string[] {
  const lines = text.split('\n')
  const lists = /^export \{[^}]*\}(?! from )/m.test(text) ? [`${path}: a list`] : []
  const untoldLines = lines.flatMap((line, index) => {
    const name = EXPORTED.exec(line)?.[1]
    if (name === undefined) return []
    let above = index - 1
    while (/^\/\/ (?:oxlint|eslint)-/.test(lines[above] ?? '')) above -= 1
    const isOverload = EXPORTED.exec(lines[above] ?? '')?.[1] === name
    const isToldOf = (lines[above] ?? '').trimEnd().endsWith('*/')
    return isOverload || isToldOf || isInferred(line, text) ? [] : [`${path}: ${name}`]
  })
  return [...untoldLines, ...lists]
}

function isInferred(line: string, text: string): boolean {
  const schema = /= z\.infer<typeof (\w+)>$/.exec(line)?.[1]
  return schema !== undefined && text.includes(`*/\nexport const ${schema} =`)
}

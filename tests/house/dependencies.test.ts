import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { z } from 'zod'

/** Licenses (SPDX) that a production dependency may have: permissive, without a duty on our users. */
const LICENSES = new Set([
  'MIT',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  '0BSD',
  'BlueOak-1.0.0',
  'PostgreSQL',
  'Unlicense',
])

const lock = z
  .object({
    packages: z.record(
      z.string(),
      z.object({
        dev: z.boolean().optional(),
        devOptional: z.boolean().optional(),
        license: z.string().optional(),
        optionalDependencies: z.record(z.string(), z.string()).optional(),
        resolved: z.string().optional(),
      }),
    ),
  })
  .parse(JSON.parse(readFileSync('package-lock.json', 'utf8')))
const manifest = z.object({ license: z.string() })

const production = Object.entries(lock.packages).filter(
  ([path, one]) => path !== '' && one.dev !== true && one.devOptional !== true,
)

test('every production dependency has a permissive license', () => {
  expect(production.length).toBeGreaterThan(50)
  // What is not installed here (another machine's binaries) is judged by what the lockfile says.
  const installed = production.filter(([path]) => existsSync(`${path}/package.json`))
  expect(installed.length).toBeGreaterThan(50)
  const wrong = production
    .map(([path, one]) => [path, licenseAt(path) ?? one.license ?? 'none'] as const)
    .filter(([, license]) => !isPermissive(license))
  expect(wrong).toEqual([])
})

test('the lockfile and the manifest name no registry', () => {
  expect(Object.values(lock.packages).filter((one) => one.resolved !== undefined)).toEqual([])
  for (const name of ['package.json', 'package-lock.json', '.npmrc']) {
    expect({ name, lines: registriesIn(readFileSync(name, 'utf8')) }).toEqual({ name, lines: [] })
  }
})

test('the lockfile holds what every machine may choose from, or npm ci refuses it', () => {
  // npm leaves out another machine's binary that its registry lacks, and then calls its own file stale.
  const locked = new Set(
    Object.keys(lock.packages).map((path) => path.split('node_modules/').at(-1)),
  )
  const wanted = Object.values(lock.packages).flatMap((one) =>
    Object.keys(one.optionalDependencies ?? {}),
  )
  expect(wanted.length).toBeGreaterThan(50)
  expect(wanted.filter((name) => !locked.has(name))).toEqual([])
})

test('npm start names a program that npm ci has put there', () => {
  // npm links the commands of packages, never the project's own.
  const { scripts } = z
    .object({ scripts: z.object({ start: z.string() }) })
    .parse(JSON.parse(readFileSync('package.json', 'utf8')))
  const [program = '', file = ''] = scripts.start.replace(/^exec /, '').split(' ')
  expect(program).toBe('node')
  expect(existsSync(file)).toBe(true)
})

test('the guards see a copyleft license and a registry', () => {
  expect(isPermissive('GPL-3.0-only')).toBe(false)
  expect(isPermissive('(MIT AND LGPL-2.1)')).toBe(false)
  expect(isPermissive('SEE LICENSE IN LICENSE')).toBe(false)
  expect(isPermissive('none')).toBe(false)
  expect(isPermissive('(MIT OR GPL-2.0)')).toBe(true)
  expect(isPermissive('(Apache-2.0 AND BSD-3-Clause)')).toBe(true)
  expect(registriesIn('registry=https://npm.example/')).toHaveLength(1)
  expect(registriesIn('"resolved": "http://10.0.0.1/a/-/a-1.0.0.tgz"')).toHaveLength(1)
})

function licenseAt(path: string): string | undefined {
  if (!existsSync(`${path}/package.json`)) return undefined
  const parsed = manifest.safeParse(JSON.parse(readFileSync(`${path}/package.json`, 'utf8')))
  return parsed.success ? parsed.data.license : undefined
}

// SPDX expressions as packages write them: no nesting was met.
function isPermissive(expression: string): boolean {
  const choices = expression.replaceAll(/[()]/g, '').split(/\s+OR\s+/)
  return choices.some((choice) => choice.split(/\s+AND\s+/).every((one) => LICENSES.has(one)))
}

function registriesIn(text: string): readonly string[] {
  return text.match(/^.*(?:registry\s*=|\.tgz\b|"resolved"|_authToken|registry\.).*$/gm) ?? []
}

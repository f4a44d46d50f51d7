import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { MUTANTS } from './mutants.ts'
import type { Mutant } from './mutants.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const report = z.object({
  testResults: z.array(
    z.object({
      assertionResults: z.array(z.object({ status: z.string(), fullName: z.string() })),
    }),
  ),
})

let copy: string
beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), 'holdfast-mutants-'))
  const files = execFileSync('git', ['ls-files', '-z'], { cwd: ROOT }).toString().split('\0')
  for (const file of files) {
    if (file === '') continue
    await mkdir(dirname(join(copy, file)), { recursive: true })
    await cp(join(ROOT, file), join(copy, file))
  }
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
})
afterAll(() => rm(copy, { recursive: true, force: true }))

/** Runs the named tests in the copy; answers the names of those that failed and how many ran. */
async function run({ testFile, test: name }: Mutant) {
  const out = join(copy, 'report.json')
  await rm(out, { force: true })
  const args = ['node_modules/vitest/vitest.mjs', 'run', testFile, '--bail=0', '--reporter=json']
  const child = spawn(
    process.execPath,
    [...args, `--outputFile=${out}`, ...(name === '' ? [] : ['-t', name])],
    {
      cwd: copy,
      stdio: 'ignore',
      env: { ...process.env, SIMULATION_DISPATCHES: '12500' },
    },
  )
  await once(child, 'exit')
  const read = report.parse(JSON.parse(await readFile(out, 'utf8')))
  const ran = read.testResults.flatMap((file) => file.assertionResults)
  return {
    passed: ran.filter((one) => one.status === 'passed').length,
    failed: ran.filter((one) => one.status === 'failed').map((one) => one.fullName),
  }
}

async function withMutant<T>(mutant: Mutant, body: () => Promise<T>): Promise<T> {
  const path = join(copy, mutant.file)
  const source = await readFile(path, 'utf8')
  expect(source.split(mutant.find)).toHaveLength(2)
  await writeFile(path, source.replace(mutant.find, mutant.replace))
  try {
    return await body()
  } finally {
    await writeFile(path, source)
  }
}

describe('a guard that is taken out is missed by a named test', () => {
  test.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))('%s', async (_, mutant) => {
    const { failed } = await withMutant(mutant, () => run(mutant))
    expect(failed.length).toBeGreaterThan(0)
  })

  test('and nothing is missed while every guard is there', async () => {
    const seen = new Set<string>()
    for (const mutant of MUTANTS) {
      const name = `${mutant.testFile} ${mutant.test}`
      if (seen.has(name)) continue
      seen.add(name)
      const { passed, failed } = await run(mutant)
      expect({ name, failed, hasRun: passed > 0 }).toEqual({ name, failed: [], hasRun: true })
    }
  })
})

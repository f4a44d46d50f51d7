import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { orThrow } from '#kernel/index.ts'
import { migrate } from '#platform/index.ts'
import { startThrowaway } from '#platform/embedded/index.ts'
import { recordFigure } from '../record-figure.ts'
import { MUTANTS } from './mutants.ts'
import type { Mutant } from './mutants.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const SEEDS = 'tests/simulation/failed-seeds.json'
const report = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      assertionResults: z.array(
        z.object({
          status: z.string(),
          fullName: z.string(),
          failureMessages: z.array(z.string()),
        }),
      ),
    }),
  ),
})
type Seen = {
  readonly file: string
  readonly test: string
  readonly isPassed: boolean
  readonly why: string
}

let copy: string
let cluster: Awaited<ReturnType<typeof startThrowaway>>
beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), 'holdfast-mutants-'))
  const files = execFileSync('git', ['ls-files', '-z'], { cwd: ROOT }).toString().split('\0')
  for (const file of files) {
    if (file === '') continue
    await mkdir(dirname(join(copy, file)), { recursive: true })
    await cp(join(ROOT, file), join(copy, file))
  }
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  // One server for all of them: none of the mutants is in the schema.
  cluster = await startThrowaway()
  orThrow(await migrate(cluster.ownerUrl))
})
afterAll(async () => {
  await cluster.dispose()
  await rm(copy, { recursive: true, force: true })
})

/** Runs the named tests in the copy; answers those that ran. */
async function run(mutants: readonly Mutant[]): Promise<readonly Seen[]> {
  const out = join(copy, 'report.json')
  await rm(out, { force: true })
  const files = [...new Set(mutants.map((mutant) => mutant.testFile))]
  const names = [...new Set(mutants.map((mutant) => mutant.test))].map(escapeRegExp).join('|')
  const args = ['node_modules/vitest/vitest.mjs', 'run', ...files, '-t', names, '--bail=0']
  const child = spawn(process.execPath, [...args, '--reporter=json', `--outputFile=${out}`], {
    cwd: copy,
    stdio: 'ignore',
    env: {
      ...process.env,
      SIMULATION_DISPATCHES: '12500',
      // What a mutant measures is no figure of ours.
      RELIABILITY_FILE: '',
      TEST_POSTGRES: JSON.stringify({
        adminUrl: cluster.adminUrl,
        ownerUrl: cluster.ownerUrl,
        runtimeUrl: cluster.runtimeUrl,
      }),
    },
  })
  await once(child, 'exit')
  return report.parse(JSON.parse(await readFile(out, 'utf8'))).testResults.flatMap((file) =>
    file.assertionResults
      .filter((one) => one.status === 'passed' || one.status === 'failed')
      .map((one) => ({
        file: file.name,
        test: one.fullName,
        isPassed: one.status === 'passed',
        why: one.failureMessages.join('\n'),
      })),
  )
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
  const failures = new Map<string, readonly Seen[]>()

  test('and nothing is missed while every guard is there', async () => {
    const seen = await run(MUTANTS)
    expect(seen.filter((one) => !one.isPassed)).toEqual([])
    const unseen = MUTANTS.filter(
      ({ testFile, test: name }) =>
        !seen.some((one) => one.file.endsWith(testFile) && one.test.includes(name)),
    )
    expect(unseen.map((mutant) => mutant.name)).toEqual([])
  })

  test.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))('%s', async (_, mutant) => {
    const seen = await withMutant(mutant, () => run([mutant]))
    const failed = seen.filter((one) => !one.isPassed && one.test.includes(mutant.test))
    failures.set(mutant.name, failed)
    expect(failed.length).toBeGreaterThan(0)
    recordFigure('mutant', { name: mutant.name, file: mutant.testFile, test: failed[0]?.test })
  })

  test('a seed that fails says how to run it alone, and is a fixture from then on', async () => {
    const simulated = MUTANTS.filter((mutant) => mutant.testFile.endsWith('simulation.test.ts'))
    const said = simulated.flatMap(({ name }) => failures.get(name) ?? []).map((one) => one.why)
    const lines = said
      .join('\n')
      .match(/SIMULATION_SEED=\d+ npm run test:simulation -- -t '[^']+'/g)
    expect(lines?.length).toBeGreaterThan(0)
    const kept = z
      .array(z.object({ plan: z.object({ seed: z.number() }) }))
      .parse(JSON.parse(await readFile(join(copy, SEEDS), 'utf8')))
    const seeds = new Set(kept.map((one) => `SIMULATION_SEED=${one.plan.seed}`))
    expect(
      (lines ?? []).map((line) => line.split(' ')[0]).every((one) => seeds.has(one ?? '')),
    ).toBe(true)
  })
})

const escapeRegExp = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')

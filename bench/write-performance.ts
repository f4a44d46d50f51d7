// `npm run docs:performance [-- --quick]`: runs every bench, each in a process of its own, and makes
// docs/reference/performance.md from what they found; nobody types a figure. With the names of JSON
// files (`npm run bench -- NAME --json > FILE`) it makes the page of those and runs nothing.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

const figure = z.object({
  name: z.string(),
  value: z.number().nullable(),
  unit: z.string(),
  goal: z.string().optional(),
  met: z.boolean().optional(),
})
const report = z.object({
  at: z.string(),
  machine: z.object({
    cores: z.number(),
    cpu: z.string().optional(),
    node: z.string(),
    postgres: z.string().optional(),
  }),
  seed: z.number(),
  effort: z.object({ pairs: z.number(), seconds: z.number() }),
  results: z.record(z.string(), z.array(figure)),
})

const BENCH_MAX_MS = 15 * 60_000
const run = fileURLToPath(new URL('run.ts', import.meta.url))
const isQuick = process.argv.includes('--quick')
const files = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const failed: string[] = []
const texts = files.length > 0 ? files.map((file) => readFileSync(file, 'utf8')) : measureAll()
if (texts.length === 0) throw new Error('nothing was measured: the page stays as it is')
const pages = texts.map((text) => report.parse(JSON.parse(text)))

// One that fails takes none of the others along; the page then has no section of it, and we end with 1.
function measureAll(): readonly string[] {
  return bench('--names')
    .split('\n')
    .filter((name) => name !== '')
    .flatMap((name) => {
      process.stderr.write(`${new Date().toISOString()} ${name}\n`)
      const json = bench(name, '--json', ...(isQuick ? ['--quick'] : []))
      if (json === '') failed.push(name)
      return json === '' ? [] : [json]
    })
}

function bench(...args: readonly string[]): string {
  const { status, stdout } = spawnSync(process.execPath, [run, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: BENCH_MAX_MS,
  })
  return status === 0 ? stdout : ''
}

const shown = (value: number | null): string =>
  value === null ? 'not measured' : Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2)

const sections = pages.flatMap(({ at, machine, seed, effort, results }) =>
  Object.entries(results).map(([name, figures]) =>
    [
      `## ${name}`,
      '',
      `\`npm run bench -- ${name}${effort.pairs === 1 ? ' --quick' : ''}\`, ${at.slice(0, 10)}, ${machine.cores} cores (${machine.cpu ?? 'unknown'}), Node ${machine.node}, PostgreSQL ${machine.postgres ?? 'unknown'}, seed ${seed}, ${effort.pairs === 1 ? 'one pair' : `median of ${effort.pairs} interleaved pairs`} of ${effort.seconds} s.`,
      '',
      '| figure | value | goal | |',
      '|---|---|---|---|',
      ...figures.map(
        ({ name: title, value, unit, goal, met }) =>
          `| ${title} | ${shown(value)} ${unit} | ${goal ?? ''} | ${met === undefined ? '' : met ? 'met' : '**not met**'} |`,
      ),
      '',
    ].join('\n'),
  ),
)
writeFileSync(
  'docs/reference/performance.md',
  `# Performance\n\nMeasured, not typed: made by \`npm run docs:performance\`, which runs every bench. Load, server and database share\nthe machine, so ratios say more than absolute figures.\n\n${sections.join('\n')}`,
)
if (failed.length > 0) {
  process.stderr.write(`failed: ${failed.join(', ')}\n`)
  process.exitCode = 1
}

// `npm run docs:reliability [-- --soak] [-- --crash]`: runs the simulation, the crash suite, the damaged
// hand-overs and the mutants, and writes docs/reference/reliability.md from what they measured. `--soak` is the
// simulation of `npm run soak`, `--crash` the crash suite of `npm run test:crash`; without them the forms of CI.
// With files of figures (`RELIABILITY_FILE=FILE npm run soak`, and so on) it makes the page of those alone.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { figure, reliabilityPage } from './reliability-page.ts'

const forms = {
  '--soak': { SIMULATION_DISPATCHES: '10000000' },
  '--crash': { CRASH_DISPATCHES: '10000', CRASH_KILLS: '500', CRASH_RESTARTS: '10' },
}
const given = process.argv.slice(2).filter((argument) => argument.startsWith('--'))
const files = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const isKnown = (name: string): name is keyof typeof forms => Object.hasOwn(forms, name)
const unknown = given.find((name) => !isKnown(name))
if (unknown !== undefined) {
  process.stderr.write(`usage_invalid: ${unknown} is none of ${Object.keys(forms).join(', ')}\n`)
  process.exit(2)
}
const asked = Object.assign({}, ...given.filter(isKnown).map((name) => forms[name]))
// Two lanes for two cores: nothing here measures speed.
const LANES = [
  [['src/wire/damage.test.ts'], ['--project', 'simulation']],
  [
    ['--project', 'crash'],
    ['--project', 'mutants'],
  ],
]

if (files.length > 0) {
  writePage(
    files.map((file) => readFileSync(file, 'utf8')).join(''),
    files.map((file) => basename(file)),
  )
} else {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-reliability-'))
  try {
    const file = join(folder, 'figures.ndjson')
    writeFileSync(file, '')
    const failed = (await Promise.all(LANES.map((lane) => runAll(lane, file)))).flat()
    if (failed.length === 0) writePage(readFileSync(file, 'utf8'), given)
    else {
      process.stderr.write(`reliability: ${failed.join(', ')} failed; nothing was written\n`)
      process.exitCode = 1
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function writePage(lines: string, options: readonly string[]): void {
  const figures = lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => figure.parse(JSON.parse(line)))
  const command = ['npm run docs:reliability', ...(options.length > 0 ? ['--', ...options] : [])]
  writeFileSync('docs/reference/reliability.md', reliabilityPage(figures, command.join(' ')))
}

async function runAll(
  suites: readonly (readonly string[])[],
  file: string,
): Promise<readonly string[]> {
  const failed: string[] = []
  for (const suite of suites) {
    const began = performance.now()
    const args = ['node_modules/vitest/vitest.mjs', 'run', ...suite]
    const env = { ...process.env, ...asked, RELIABILITY_FILE: file }
    const run = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'], env })
    const [code] = await once(run, 'exit')
    const seconds = Math.round((performance.now() - began) / 1_000)
    process.stderr.write(`${suite.join(' ')}: ${code === 0 ? 'passed' : 'FAILED'}, ${seconds} s\n`)
    if (code !== 0) failed.push(suite.join(' '))
  }
  return failed
}
